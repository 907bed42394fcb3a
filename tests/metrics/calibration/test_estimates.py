import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t as student

from metrics.calibration.calibration_error import calibration_error_estimate
from metrics.calibration.estimates import NO_SPREAD, calibration_estimates
from metrics.calibration.miscalibration import miscalibration_test
from metrics.calibration.reliability import brier_loss, brier_skill_score
from metrics.errors import UndefinedMetricError
from metrics.fitting.cross_fitting import calibrated_probabilities
from metrics.scores.bootstrap import cluster_weights
from tests.metrics.helpers.clustered import clustered_answers, overstated

TRUE, RIGHT, IMAGE = clustered_answers(0)
STATED = overstated(TRUE, 0.04)


def test_values_are_those_of_the_plain_functions():
    found = calibration_estimates(RIGHT, STATED, IMAGE, n_bins=10)
    assert found.brier.value == brier_loss(RIGHT, STATED)
    assert found.brier_skill.value == brier_skill_score(RIGHT, STATED)
    assert found.ece == calibration_error_estimate(RIGHT, STATED, IMAGE, n_bins=10)
    assert found.ece_equal_mass == calibration_error_estimate(
        RIGHT, STATED, IMAGE, n_bins=10, equal_mass=True
    )
    assert found.test == miscalibration_test(RIGHT, STATED, IMAGE)


@pytest.mark.parametrize(
    ("name", "function"), [("brier", brier_loss), ("brier_skill", brier_skill_score)]
)
def test_standard_errors_are_those_of_resampled_images(name, function):
    found = getattr(calibration_estimates(RIGHT, STATED, IMAGE), name)
    weights = cluster_weights(IMAGE, n_resamples=1000, rng=np.random.default_rng(0))
    rows = [np.repeat(np.arange(RIGHT.size), w) for w in weights]
    assert found.stderr == pytest.approx(
        np.std([function(RIGHT[r], STATED[r]) for r in rows]), rel=0.08
    )


def test_the_intervals_are_student_t_over_images():
    found = calibration_estimates(RIGHT, STATED, IMAGE, level=0.9)
    reach = student.ppf(0.95, 124)
    skill = found.brier_skill
    assert (skill.low, skill.high) == pytest.approx(
        (skill.value - reach * skill.stderr, skill.value + reach * skill.stderr)
    )
    brier = found.brier
    half = reach * brier.stderr / (brier.value * (1 - brier.value))
    assert (brier.low, brier.high) == pytest.approx(
        tuple(expit(logit(brier.value) + sign * half) for sign in (-1, 1))
    )
    by_image = ((STATED - RIGHT) ** 2).reshape(125, 8).mean(axis=1)
    assert brier.stderr == pytest.approx(by_image.std(ddof=1) / np.sqrt(125))


@pytest.mark.parametrize("ece", [0.0, 0.10])
def test_brier_and_its_skill_are_covered(ece):
    large = clustered_answers(99, n_images=50_000)
    stated = overstated(large[0], ece)
    loss = ((stated - large[0]) ** 2 + large[0] * (1 - large[0])).mean()
    rate = large[0].mean()
    truth = {"brier": loss, "brier_skill": 1 - loss / (rate * (1 - rate))}
    inside = dict.fromkeys(truth, 0)
    for seed in range(80):
        true, right, image = clustered_answers(seed)
        found = calibration_estimates(right, overstated(true, ece), image)
        for name, value in truth.items():
            estimate = getattr(found, name)
            inside[name] += estimate.low <= value <= estimate.high
    assert min(inside.values()) >= 70  # P(fewer) < 0.01 at 93 %


def test_splits_do_not_matter_to_what_is_printed():
    """36 re-splits of the same data: 21 used to fall outside the printed interval."""
    score = logit(TRUE) + np.random.default_rng(1).normal(size=TRUE.size)

    def figures(seed, n_repeats):
        rng = np.random.default_rng(seed)
        prob = calibrated_probabilities(score, RIGHT, IMAGE, rng=rng, n_repeats=n_repeats)
        return calibration_estimates(RIGHT, prob, IMAGE, n_fitted=2)

    printed = figures(0, 20)
    single = [figures(seed, 1) for seed in range(1, 37)]
    for name in ("brier", "brier_skill"):
        estimate = getattr(printed, name)
        values = [getattr(found, name).value for found in single]
        assert all(estimate.low <= value <= estimate.high for value in values)
        again = [getattr(figures(seed, 20), name).value for seed in range(50, 54)]
        assert np.ptp(again) < 0.05 * (estimate.high - estimate.low)
    ece = printed.ece.debiased
    assert all(ece.low <= found.ece.debiased.value <= ece.high for found in single)
    again = [figures(seed, 20).ece.debiased.value for seed in range(50, 54)]
    assert np.ptp([*again, ece.value]) < 0.3 * (ece.high - ece.low)


def test_one_class_has_a_loss_but_no_skill_and_no_test():
    found = calibration_estimates([1] * 9, np.arange(9) / 10, range(9))
    assert found.brier.value == pytest.approx(np.mean((1 - np.arange(9) / 10) ** 2))
    assert "9 images only" in found.brier.note
    assert "one class only" in found.brier_skill.reason
    assert found.test.reason == "0 wrong answers only: no test below 30"


def test_without_spread_the_note_says_so():
    found = calibration_estimates([1] * 40, [1.0] * 40, range(40))
    assert (found.brier.value, found.brier.low, found.brier.high) == (0, 0, 0)
    assert found.brier.note == NO_SPREAD
    assert found.ece.debiased.high > 0.05  # all right 40 times is not always


def test_one_image_has_no_intervals():
    found = calibration_estimates([1, 0, 1], [0.5, 0.4, 0.9], "aaa")
    for estimate in (found.brier, found.brier_skill, found.ece.debiased):
        assert estimate.reason == "one group only: no interval"


def test_refusals():
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got"):
        calibration_estimates(RIGHT, STATED * 2, IMAGE)
    with pytest.raises(ValueError, match="`groups` must be of length 1000"):
        calibration_estimates(RIGHT, STATED, IMAGE[1:])
    with pytest.raises(UndefinedMetricError, match="no samples"):
        calibration_estimates([], [], [])
