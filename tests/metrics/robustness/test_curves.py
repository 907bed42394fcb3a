"""Areas by hand and by a slow integral; planted cliffs and plateaus."""

import numpy as np
import pytest
from scipy.stats import t as student

from metrics import (
    DoseResponse,
    control_gap,
    dose_at_drop,
    mean_estimate,
    robustness_area,
    robustness_area_difference,
)

DOSES = np.array([0.1, 0.3, 0.7])


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
    found = robustness_area(response, groups=range(3))
    assert found.value == pytest.approx(by_hand)


def test_the_width_of_an_area_is_that_of_resampled_images():
    """Slow: draw images one by one and integrate numerically."""
    response = curve([0.9, 0.6, 0.4], n=300, clean=0.95)
    groups, rng, slow = np.arange(300) // 3, np.random.default_rng(0), []
    for _ in range(1500):
        rows = (rng.integers(0, 100, 100)[:, None] * 3 + np.arange(3)).ravel()
        a = np.append(response.clean[rows].mean(), response.correct[rows].mean(axis=0))
        x = np.linspace(0, 0.7, 701)
        slow.append(np.interp(x, [0, 0.1, 0.3, 0.7], a).mean() / a[0])
    found = robustness_area(response, groups=groups)
    assert found.stderr == pytest.approx(np.std(slow), rel=0.06)
    half = student.ppf(0.975, 99) * found.stderr
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_the_limits_of_a_dose_are_where_the_limits_of_the_fall_are_the_drop():
    response = curve([0.97, 0.9, 0.7], n=300)
    found = dose_at_drop(response, groups=np.arange(300) // 3)
    for dose, side in ((found.low, "low"), (found.high, "high")):
        j = np.searchsorted(DOSES, dose)
        knots = np.append(0.0, DOSES)
        share = (dose - knots[j]) / (knots[j + 1] - knots[j])
        columns = np.column_stack([response.clean, response.correct])
        at = columns[:, j] * (1 - share) + columns[:, j + 1] * share
        fall = mean_estimate(at - response.clean, groups=np.arange(300) // 3)
        sign = -1 if side == "low" else 1
        limit = fall.value + sign * student.ppf(0.975, 99) * fall.stderr
        assert limit == pytest.approx(-0.05, abs=2e-4)


def test_a_plateau_has_area_one_and_no_critical_dose():
    flat = DoseResponse(DOSES, np.ones((50, 3)), np.ones(50))
    groups = range(50)
    assert robustness_area(flat, groups=groups).value == 1.0
    found = dose_at_drop(flat, groups=groups)
    assert (found.value, found.low, found.high, found.largest) == (None, None, None, 0.7)
    assert found.reason is None


def test_dose_at_drop_is_interpolated():
    # 1 → 0.98 at 0.1 → 0.90 at 0.3: five points are reached at 0.1 + 0.2 · (0.98 − 0.95) / 0.08
    correct = np.ones((100, 3))
    correct[:2, 0], correct[:10, 1], correct[:50, 2] = 0, 0, 0
    found = dose_at_drop(DoseResponse(DOSES, correct, np.ones(100)), groups=range(100))
    assert found.value == pytest.approx(0.1 + 0.2 * 0.03 / 0.08)
    assert found.low < found.value < found.high
    ten = dose_at_drop(DoseResponse(DOSES, correct, np.ones(100)), groups=range(100), drop=0.1)
    assert ten.value == pytest.approx(0.3)


@pytest.mark.parametrize("n", [20, 60, 100, 240])
def test_a_fall_of_exactly_the_drop_counts(n):
    for start in range(n // 20, n + 1):  # 17/20 less 16/20 is 0.04999… in floating point
        clean = np.arange(n) < start
        fallen = (np.arange(n) < start - n // 20).astype(float)
        response = DoseResponse(
            np.array([0.3, 0.7]), np.stack([fallen] * 2, 1), clean.astype(float)
        )
        assert dose_at_drop(response, groups=range(n)).value == pytest.approx(0.3)


def test_the_bound_beyond_the_largest_dose_is_none():
    response = curve([0.99, 0.97, 0.955], n=300)
    found = dose_at_drop(response, groups=range(300))
    assert found.high is None
    assert found.low is not None


def test_an_accuracy_that_cannot_fall_so_far_says_so():
    response = DoseResponse(DOSES, np.zeros((100, 3)), np.eye(1, 100)[0])
    found = dose_at_drop(response, groups=range(100))
    assert found.value is None
    assert found.reason == "accuracy is 0.010 without intervention and cannot fall by 0.05"
    nothing = DoseResponse(DOSES, np.zeros((100, 3)), np.zeros(100))
    assert robustness_area(nothing, groups=range(100)).reason == (
        "no answer is right without intervention"
    )


def test_gap_is_the_paired_difference():
    chosen, control = curve([0.5, 0.4, 0.3]), curve([0.9, 0.8, 0.3])
    groups = np.arange(400) // 4
    reach = 1 - 0.05 ** (1 / 100)
    for j, gap in enumerate(control_gap(chosen, control, groups=groups)):
        difference = chosen.correct[:, j] - control.correct[:, j]
        assert gap.value == pytest.approx(difference.mean())
        if difference.any():
            assert gap == mean_estimate(difference, groups=groups)
    # equal on common random numbers: in 100 images nothing varied
    assert (gap.value, gap.low, gap.high) == pytest.approx((0, -reach, reach))
    assert reach == pytest.approx(3 / 100, abs=1e-3)
    assert "rule of three" in gap.note


def test_area_difference_is_one_area_less_the_other():
    first, second = curve([0.9, 0.8, 0.7]), curve([0.9, 0.7, 0.4], clean=0.97)
    groups = range(400)
    found = robustness_area_difference(first, second, groups=groups)
    one, two = (robustness_area(c, groups=groups) for c in (first, second))
    assert found.estimate.value == pytest.approx(one.value - two.value)
    assert found.estimate.low > 0
    assert found.p_value < 1e-6
    same = robustness_area_difference(first, first, groups=groups)
    assert (same.estimate.value, same.p_value) == (0.0, None)
    nothing = DoseResponse(DOSES, np.zeros((400, 3)), np.zeros(400))
    assert robustness_area_difference(first, nothing, groups=groups).estimate.value is None


def test_bad_arguments():
    groups = range(400)
    with pytest.raises(ValueError, match="`doses` must be rising and > 0"):
        DoseResponse(np.array([0.3, 0.1]), np.ones((2, 2)), np.ones(2))
    with pytest.raises(ValueError, match=r"`correct` must be shape \(3, 3\)"):
        DoseResponse(DOSES, np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="`drop` must be in"):
        dose_at_drop(curve([1, 1, 1]), groups=groups, drop=0)
    with pytest.raises(ValueError, match="`control` must be at doses"):
        control_gap(curve([1, 1, 1]), curve([1, 1], doses=DOSES[:2]), groups=groups)
    with pytest.raises(ValueError, match="`groups` must be of length 400"):
        robustness_area(curve([1, 1, 1]), groups=groups[:7])
    with pytest.raises(ValueError, match="`second` must be"):
        robustness_area_difference(curve([1, 1, 1]), curve([1, 1, 1], n=7), groups=groups)


def test_the_areas_difference_has_the_standard_error_of_a_tilted_weight():
    first, second = curve([0.9, 0.8, 0.7], n=40), curve([0.9, 0.6, 0.4], n=40, clean=0.9)
    groups, step = np.repeat(np.arange(10), 4), 1e-5

    def area(response, weight):
        accuracy = np.append(weight @ response.clean, weight @ response.correct) / weight.sum()
        steps = np.diff(np.append(0, DOSES))
        return (steps * (accuracy[1:] + accuracy[:-1]) / 2).sum() / accuracy[0] / DOSES[-1]

    def difference(weight):
        return area(first, weight) - area(second, weight)

    slopes = [
        (difference(1 + step * (groups == g)) - difference(1 - step * (groups == g))) / (2 * step)
        for g in range(10)
    ]
    found = robustness_area_difference(first, second, groups=groups)
    assert found.estimate.stderr == pytest.approx(np.sqrt(10 / 9 * np.square(slopes).sum()))
    assert found.degrees == 9
