"""Areas by hand and by a slow integral; planted cliffs and plateaus."""

import numpy as np
import pytest

from metrics import (
    DoseResponse,
    cluster_weights,
    control_gap,
    dose_at_drop,
    robustness_area,
    robustness_area_difference,
)

DOSES = np.array([0.1, 0.3, 0.7])


def weights_of(groups, n_resamples=400, seed=0):
    return cluster_weights(groups, n_resamples=n_resamples, rng=np.random.default_rng(seed))


def curve(accuracies, *, n=400, clean=1.0, doses=DOSES, seed=0):
    """Samples that are right with these probabilities, on common random numbers."""
    u = np.random.default_rng(seed).random(n)
    return DoseResponse(
        doses, (u[:, None] < np.array(accuracies)).astype(float), (u < clean).astype(float)
    )


def test_area_by_hand():
    correct = np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 1.0]])
    response = DoseResponse(DOSES, correct, np.array([1.0, 1.0, 0.0]))
    a0, a1, a2, a3 = 2 / 3, 2 / 3, 1 / 3, 1 / 3
    by_hand = (0.1 * (a0 + a1) + 0.2 * (a1 + a2) + 0.4 * (a2 + a3)) / 2 / (0.7 * a0)
    found = robustness_area(response, weights=weights_of(range(3)))
    assert found.value == pytest.approx(by_hand)


def test_area_replicates_are_areas_of_the_resampled_samples():
    """Slow: draw the samples of each resample one by one and integrate numerically."""
    response = curve([0.9, 0.6, 0.4], n=60, clean=0.95)
    weights = weights_of(np.arange(60) // 3, n_resamples=50)
    slow = []
    for w in weights:
        rows = np.repeat(np.arange(60), w)
        a = np.append(response.clean[rows].mean(), response.correct[rows].mean(axis=0))
        x = np.linspace(0, 0.7, 70001)
        slow.append(np.interp(x, [0, 0.1, 0.3, 0.7], a).mean() / a[0])
    found = robustness_area(response, weights=weights)
    assert (found.low, found.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=1e-4)
    assert found.stderr == pytest.approx(np.std(slow, ddof=1), abs=1e-4)


def test_a_plateau_has_area_one_and_no_critical_dose():
    flat = DoseResponse(DOSES, np.ones((50, 3)), np.ones(50))
    weights = weights_of(range(50))
    assert robustness_area(flat, weights=weights).value == 1.0
    found = dose_at_drop(flat, weights=weights)
    assert (found.value, found.low, found.high, found.largest) == (None, None, None, 0.7)
    assert found.reason is None


def test_dose_at_drop_is_interpolated():
    # 1 → 0.98 at 0.1 → 0.90 at 0.3: five points are reached at 0.1 + 0.2 · (0.98 − 0.95) / 0.08
    correct = np.ones((100, 3))
    correct[:2, 0], correct[:10, 1], correct[:50, 2] = 0, 0, 0
    found = dose_at_drop(DoseResponse(DOSES, correct, np.ones(100)), weights=weights_of(range(100)))
    assert found.value == pytest.approx(0.1 + 0.2 * 0.03 / 0.08)
    assert found.low < found.value < found.high
    ten = dose_at_drop(
        DoseResponse(DOSES, correct, np.ones(100)), weights=weights_of(range(100)), drop=0.1
    )
    assert ten.value == pytest.approx(0.3)


@pytest.mark.parametrize("n", [20, 60, 100, 240])
def test_a_fall_of_exactly_the_drop_counts(n):
    for start in range(n // 20, n + 1):  # 17/20 less 16/20 is 0.04999… in floating point
        clean = np.arange(n) < start
        fallen = (np.arange(n) < start - n // 20).astype(float)
        response = DoseResponse(
            np.array([0.3, 0.7]), np.stack([fallen] * 2, 1), clean.astype(float)
        )
        assert dose_at_drop(response, weights=weights_of(range(n))).value == pytest.approx(0.3)


def test_the_bound_beyond_the_largest_dose_is_none():
    response = curve([0.99, 0.97, 0.955], n=300)
    found = dose_at_drop(response, weights=weights_of(range(300)))
    assert found.high is None
    assert found.low is not None


def test_an_accuracy_that_cannot_fall_so_far_says_so():
    response = DoseResponse(DOSES, np.zeros((100, 3)), np.eye(1, 100)[0])
    found = dose_at_drop(response, weights=weights_of(range(100)))
    assert found.value is None
    assert found.reason == "accuracy is 0.010 without intervention and cannot fall by 0.05"
    nothing = DoseResponse(DOSES, np.zeros((100, 3)), np.zeros(100))
    assert robustness_area(nothing, weights=weights_of(range(100))).reason == (
        "no answer is right without intervention"
    )


def test_gap_is_the_paired_difference():
    chosen, control = curve([0.5, 0.4, 0.3]), curve([0.9, 0.8, 0.3])
    weights = weights_of(np.arange(400) // 4)
    for j, gap in enumerate(control_gap(chosen, control, weights=weights)):
        difference = chosen.correct[:, j] - control.correct[:, j]
        assert gap.value == pytest.approx(difference.mean())
        replicates = (weights * difference).sum(axis=1) / weights.sum(axis=1)
        assert (gap.low, gap.high) == pytest.approx(np.quantile(replicates, [0.025, 0.975]))
    # equal on common random numbers: paired, the interval has no width
    assert gap.low == gap.high == 0


def test_area_difference_is_one_area_less_the_other():
    first, second = curve([0.9, 0.8, 0.7]), curve([0.9, 0.7, 0.4], clean=0.97)
    weights = weights_of(range(400))
    found = robustness_area_difference(first, second, groups=range(400))
    one, two = (robustness_area(c, weights=weights) for c in (first, second))
    assert found.estimate.value == pytest.approx(one.value - two.value)
    assert found.estimate.low > 0
    assert found.p_value < 1e-6
    replicates = area_replicates(first, weights) - area_replicates(second, weights)
    assert found.estimate.stderr == pytest.approx(replicates.std(ddof=1), rel=0.12)
    same = robustness_area_difference(first, first, groups=range(400))
    assert (same.estimate.value, same.estimate.stderr, same.p_value) == (0.0, 0.0, None)
    nothing = DoseResponse(DOSES, np.zeros((400, 3)), np.zeros(400))
    assert robustness_area_difference(first, nothing, groups=range(400)).estimate.value is None


def area_replicates(response, weights):
    accuracies = response.accuracies(weights)
    steps = np.diff(np.append(0, DOSES))[:, None]
    return (steps * (accuracies[1:] + accuracies[:-1]) / 2).sum(axis=0) / accuracies[0] / DOSES[-1]


def test_the_areas_difference_has_the_standard_error_of_a_tilted_weight():
    first, second = curve([0.9, 0.8, 0.7], n=40), curve([0.9, 0.6, 0.4], n=40, clean=0.9)
    groups, step = np.repeat(np.arange(10), 4), 1e-5

    def difference(weight):
        one, two = (area_replicates(c, weight[None, :])[0] for c in (first, second))
        return one - two

    slopes = [
        (difference(1 + step * (groups == g)) - difference(1 - step * (groups == g))) / (2 * step)
        for g in range(10)
    ]
    found = robustness_area_difference(first, second, groups=groups)
    assert found.estimate.stderr == pytest.approx(np.sqrt(10 / 9 * np.square(slopes).sum()))
    assert found.degrees == 9


def test_bad_arguments():
    weights = weights_of(range(400))
    with pytest.raises(ValueError, match="`doses` must be rising and > 0"):
        DoseResponse(np.array([0.3, 0.1]), np.ones((2, 2)), np.ones(2))
    with pytest.raises(ValueError, match=r"`correct` must be shape \(3, 3\)"):
        DoseResponse(DOSES, np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="`drop` must be in"):
        dose_at_drop(curve([1, 1, 1]), weights=weights, drop=0)
    with pytest.raises(ValueError, match="`control` must be at doses"):
        control_gap(curve([1, 1, 1]), curve([1, 1], doses=DOSES[:2]), weights=weights)
    with pytest.raises(ValueError, match="`weights` must be of length 400"):
        robustness_area(curve([1, 1, 1]), weights=weights[:, :7])
    with pytest.raises(ValueError, match="`second` must be"):
        robustness_area_difference(curve([1, 1, 1]), curve([1, 1, 1], n=7), groups=range(400))
