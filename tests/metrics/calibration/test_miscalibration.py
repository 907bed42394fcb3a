import numpy as np
import pytest
from scipy.stats import f as fisher
from statsmodels.stats.multivariate import test_mvmean as hotelling

from metrics.calibration.miscalibration import miscalibration_test
from metrics.calibration.reliability import expected_calibration_error
from metrics.errors import UndefinedMetricError
from metrics.fitting.cross_fitting import calibrated_probabilities
from tests.metrics.helpers.clustered import clustered_answers, overstated


def test_it_is_hotellings_test_of_sums_over_images():
    true, right, image = clustered_answers(0)
    prob = overstated(true, 0.03)
    sums = np.array(
        [
            [((right - prob) * prob**power)[image == g].sum() for power in range(3)]
            for g in range(125)
        ]
    )
    expected = hotelling(sums)
    found = miscalibration_test(right, prob, image)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.degrees == tuple(expected.df)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_what_the_old_interval_let_pass_is_refuted():
    """Plug-in ECEs of about 0.05, whose interval used to begin at 0: p is 0.001 in the middle."""
    errors, p_values = [], []
    for seed in range(40):
        true, right, image = clustered_answers(seed)
        prob = overstated(true, 0.05)
        errors.append(expected_calibration_error(right, prob))
        p_values.append(miscalibration_test(right, prob, image).p_value)
    assert np.median(errors) == pytest.approx(0.05, abs=0.005)
    assert np.median(p_values) < 0.005
    assert np.mean(np.array(p_values) < 0.05) > 0.85


@pytest.mark.parametrize("within", [0.0, 0.4])
def test_a_calibrated_probability_is_refuted_at_the_level(within):
    p_values = [
        miscalibration_test(right, true, image).p_value
        for true, right, image in (clustered_answers(seed, within=within) for seed in range(300))
    ]
    assert np.mean(np.array(p_values) < 0.05) <= 0.09  # P(more) < 0.003 at 5 %
    assert 0.4 < np.mean(p_values) < 0.6


def test_ignoring_images_would_refute_too_often():
    """The design can fail: the same test with every answer as its own image."""
    drawn = [clustered_answers(seed, within=0.6) for seed in range(150)]
    naive = [miscalibration_test(y, p, np.arange(y.size)).p_value < 0.05 for p, y, _ in drawn]
    assert np.mean(naive) > 0.12


def test_what_was_fitted_is_not_tested_again():
    found = {0: 0, 2: 0}
    for seed in range(60):
        true, right, image = clustered_answers(seed)
        rng = np.random.default_rng(seed)
        score = np.log(true / (1 - true))
        prob = calibrated_probabilities(score, right, image, rng=rng, n_repeats=3)
        for n_fitted in found:
            found[n_fitted] += (
                miscalibration_test(right, prob, image, n_fitted=n_fitted).p_value < 0.05
            )
    assert found[0] <= 1  # blind: level and slope cannot be off
    assert found[2] <= 8  # P(more) < 0.01 at 5 %


def test_a_bend_that_no_logistic_curve_follows_is_found():
    rng = np.random.default_rng(0)
    score, image = rng.normal(size=1000), np.repeat(np.arange(250), 4)
    right = rng.random(1000) < np.where(np.abs(score) < 1, 0.9, 0.5)
    prob = calibrated_probabilities(score + 0.3 * score**2, right, image, rng=rng)
    found = miscalibration_test(right, prob, image, n_fitted=2)
    assert found.degrees == (1, 249)
    assert found.p_value < 0.01


@pytest.mark.parametrize(
    ("right", "prob", "reason"),
    [
        (np.arange(400) % 20 > 0, np.linspace(0.1, 0.9, 400), "20 wrong answers only"),
        (np.arange(400) % 20 == 0, np.linspace(0.1, 0.9, 400), "20 right answers only"),
        (np.arange(400) % 2, (np.arange(400) % 2).astype(float), "the residuals do not vary"),
    ],
)
def test_where_there_is_no_test_a_reason_stands(right, prob, reason):
    found = miscalibration_test(right, prob, range(400))
    assert (found.statistic, found.degrees, found.p_value) == (None, None, None)
    assert found.reason.startswith(reason)


def test_few_values_leave_fewer_moments():
    rng = np.random.default_rng(0)
    prob = np.repeat([0.4, 0.8], 200)
    right = rng.random(400) < prob
    assert miscalibration_test(right, prob, range(400)).degrees == (2, 398)
    flat = miscalibration_test(right, np.full(400, 0.6), range(400))
    # one moment: the test of a mean
    gap = right - 0.6
    t = gap.mean() / (gap.std(ddof=1) / 20)
    assert flat.p_value == pytest.approx(fisher.sf(t**2, 1, 399))
    assert "nothing is left" in miscalibration_test(right, prob, range(400), n_fitted=2).reason
    few = miscalibration_test(right, prob, np.arange(400) % 19)
    assert few.reason == "19 images only: no test below 20"


def test_refusals():
    with pytest.raises(ValueError, match="`n_fitted` must be 0, 1 or 2, got 3"):
        miscalibration_test([0, 1], [0.5, 0.5], "ab", n_fitted=3)
    with pytest.raises(UndefinedMetricError, match="no samples"):
        miscalibration_test([], [], [])
