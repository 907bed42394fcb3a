import numpy as np
import pytest
from scipy.stats import binom

from metrics.calibration.calibration_error import calibration_error_estimate
from metrics.calibration.reliability import expected_calibration_error
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import cluster_weights
from tests.metrics.helpers.clustered import clustered_answers, overstated


def plain_ece(y, p, n_bins=15):
    """ECE as netcal has it: a histogram of each column, bins (low, high]."""
    edges = np.linspace(0, 1, n_bins + 1)
    bin_ = np.clip(np.digitize(p, edges, right=True) - 1, 0, n_bins - 1)
    total = 0.0
    for b in range(n_bins):
        inside = bin_ == b
        if inside.any():
            total += inside.mean() * abs(np.mean(y[inside]) - np.mean(p[inside]))
    return total


def test_the_plug_in_ece_is_the_usual_one():
    true, right, image = clustered_answers(0)
    prob = overstated(true, 0.04)
    found = calibration_error_estimate(right, prob, image)
    assert found.plug_in == pytest.approx(plain_ece(right, prob))
    assert found.plug_in == pytest.approx(expected_calibration_error(right, prob))
    equal = calibration_error_estimate(right, prob, image, equal_mass=True)
    assert equal.plug_in == pytest.approx(expected_calibration_error(right, prob, equal_mass=True))


@pytest.mark.parametrize("within", [0.0, 0.3])
def test_the_floor_is_the_mean_ece_of_labels_that_obey_the_probability(within):
    """What the issue measured: 0.025 to 0.029 on 1,000 answers about 125 images."""
    drawn = [clustered_answers(seed, within=within) for seed in range(200)]
    simulated = np.mean([plain_ece(right, true) for true, right, _ in drawn])
    floors = [
        calibration_error_estimate(right, true, image).noise_floor
        for true, right, image in drawn[:20]
    ]
    assert 0.025 < simulated < 0.029
    assert np.mean(floors) == pytest.approx(simulated, rel=0.05)


def test_one_bin_is_a_binomial():
    """The median-unbiased estimate and exact limits of |y/n − 1/2| in closed form, n = 400."""
    n, right = 400, 228
    y, p = np.arange(n) < right, np.full(n, 0.5)
    found = calibration_error_estimate(y, p, range(n), n_bins=1).debiased
    shifts = np.linspace(0, 0.2, 2001)
    # folded: as far from the middle on either side
    above = binom.sf(right - 1, n, 0.5 + shifts) + binom.cdf(n - right, n, 0.5 + shifts)
    below = binom.cdf(right, n, 0.5 + shifts) - binom.cdf(n - right - 1, n, 0.5 + shifts)
    assert found.low == pytest.approx(shifts[above > 0.025][0], abs=0.003)
    assert found.high == pytest.approx(shifts[below < 0.025][0], abs=0.003)
    assert found.value == pytest.approx(0.07, abs=0.002)


def test_certain_and_always_right_has_the_rule_of_three():
    found = calibration_error_estimate(np.ones(100), np.ones(100), range(100))
    assert (found.plug_in, found.noise_floor, found.debiased.value) == (0, 0, 0)
    exact = 1 - 0.025**0.01  # of 100 answers that are all right
    assert found.debiased.high == pytest.approx(exact, rel=0.15)
    # nothing varies, so nothing is known of answers about one image: 25 images count as 25
    fewer = calibration_error_estimate(np.ones(100), np.ones(100), np.repeat(np.arange(25), 4))
    assert fewer.debiased.high == pytest.approx(1 - 0.025**0.04, rel=0.15)


@pytest.mark.parametrize("ece", [0.0, 0.04, 0.10])
def test_the_interval_covers_and_the_estimate_is_hardly_biased(ece):
    inside, values, naive = 0, [], []
    for seed in range(80):
        true, right, image = clustered_answers(seed)
        found = calibration_error_estimate(right, overstated(true, ece), image)
        inside += found.debiased.low <= ece <= found.debiased.high
        values.append(found.debiased.value)
        naive.append(found.plug_in)
    assert inside >= 70  # P(fewer) < 0.01 at 93 %
    assert np.mean(values) == pytest.approx(ece, abs=0.01)
    if ece == 0:
        assert min(naive) > 0.01
        assert np.median(values) < 0.008


def test_a_percentile_interval_would_not_cover_zero():
    """The design can fail: what the bias does to an interval that ignores it."""
    true, right, image = clustered_answers(0)
    weights = cluster_weights(image, n_resamples=100, rng=np.random.default_rng(0))
    rows = [np.repeat(np.arange(right.size), w) for w in weights]
    assert np.quantile([plain_ece(right[r], true[r]) for r in rows], 0.025) > 0.01
    assert calibration_error_estimate(right, true, image).debiased.low == 0


def test_below_the_floor_the_estimate_is_zero_and_says_so():
    true, right, image = clustered_answers(2)  # its plug-in ECE happens to be below the floor
    found = calibration_error_estimate(right, true, image)
    assert found.plug_in < found.noise_floor
    assert found.debiased.value == 0
    assert found.debiased.note.startswith("no larger than chance makes it")
    assert found.debiased.high > 0.03


def test_copies_of_an_answer_are_no_more_data():
    true, right, image = clustered_answers(1, per_image=1, n_images=200)
    once = calibration_error_estimate(right, true, image)
    copied = calibration_error_estimate(*(np.repeat(column, 5) for column in (right, true, image)))
    assert copied.plug_in == pytest.approx(once.plug_in)
    assert copied.noise_floor == pytest.approx(once.noise_floor, rel=0.05)
    assert copied.debiased.high == pytest.approx(once.debiased.high, rel=0.1)
    as_images = calibration_error_estimate(np.repeat(right, 5), np.repeat(true, 5), np.arange(1000))
    assert as_images.noise_floor < 0.6 * once.noise_floor


def test_few_images_are_said_and_one_has_no_interval():
    true, right, image = clustered_answers(0, n_images=16)
    assert "16 images only" in calibration_error_estimate(right, true, image).debiased.note
    alone = calibration_error_estimate([1, 0, 1], [0.5, 0.5, 0.9], "aaa")
    assert alone.debiased.reason == "one group only: no interval"
    assert alone.plug_in == pytest.approx(0.1 / 3)


def test_the_same_input_gives_the_same_figures():
    true, right, image = clustered_answers(3)
    assert calibration_error_estimate(right, true, image) == calibration_error_estimate(
        right, true, [f"image {i}" for i in image]
    )


def test_refusals():
    with pytest.raises(ValueError, match=r"`y_prob` must be in \[0, 1\], got 0.5 … 3"):
        calibration_error_estimate([0, 1], [0.5, 3.0], "ab")
    with pytest.raises(ValueError, match="`n_bins` must be >= 1, got 0"):
        calibration_error_estimate([0, 1], [0.5, 0.5], "ab", n_bins=0)
    with pytest.raises(ValueError, match="`groups` must be of length 2"):
        calibration_error_estimate([0, 1], [0.5, 0.5], "abc")
    with pytest.raises(ValueError, match="`level` must be in"):
        calibration_error_estimate([0, 1], [0.5, 0.5], "ab", level=1.0)
    with pytest.raises(UndefinedMetricError, match="no samples"):
        calibration_error_estimate([], [], [])
