import numpy as np
import pytest
from scipy.stats import ttest_1samp

from metrics.calibration.calibration_error import calibration_error_estimate
from metrics.calibration.differences import (
    paired_brier_difference,
    paired_calibration_error_difference,
)
from metrics.errors import UndefinedMetricError
from tests.metrics.helpers.clustered import clustered_answers, overstated

BOTH = (paired_brier_difference, paired_calibration_error_difference)


def test_brier_is_the_t_test_of_image_means():
    true, right, image = clustered_answers(0)
    stated = overstated(true, 0.04)
    found = paired_brier_difference((right, stated), (right, true), groups=image)
    moved = ((stated - right) ** 2 - (true - right) ** 2).reshape(125, 8).mean(axis=1)
    expected = ttest_1samp(moved, 0)
    interval = expected.confidence_interval()
    assert found.estimate.value == pytest.approx(moved.mean())
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(interval))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_ece_is_the_difference_of_the_debiased_figures():
    true, right, image = clustered_answers(0)
    pairs = [(right, overstated(true, ece)) for ece in (0.1, 0.02)]
    one, two = (calibration_error_estimate(*pair, image).debiased for pair in pairs)
    found = paired_calibration_error_difference(*pairs, groups=image).estimate
    assert found.value == pytest.approx(one.value - two.value, abs=1e-9)
    sides = [
        np.hypot(one.value - one.low, two.high - two.value),
        np.hypot(one.high - one.value, two.value - two.low),
    ]
    assert found.high - found.value == pytest.approx(max(sides), rel=1e-6)
    turned = paired_calibration_error_difference(*pairs[::-1], groups=image).estimate
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize(("old", "new"), [(0.0, 0.0), (0.0, 0.1), (0.04, 0.1)])
def test_the_interval_covers_the_true_difference(old, new):
    inside = 0
    for seed in range(40):
        true, right, image = clustered_answers(seed)
        again = clustered_answers(seed, retold=1)[1]
        other = np.where(np.arange(1000) % 10 < 3, again, right)  # three in ten are answered anew
        found = paired_calibration_error_difference(
            (other, overstated(true, new)), (right, overstated(true, old)), groups=image
        ).estimate
        inside += found.low <= new - old <= found.high
    assert inside >= 34  # P(fewer) < 0.01 at 93 %


def test_two_models_that_say_nearly_the_same_differ_by_little():
    """Their own intervals are 0.04 wide each; what they cannot differ by is not said."""
    true, right, image = clustered_answers(0)
    nudged = np.clip(true + 1e-4, 0, 1)
    found = paired_calibration_error_difference((right, nudged), (right, true), groups=image)
    assert found.estimate.high - found.estimate.low < 0.01
    assert found.estimate.low <= found.estimate.value <= found.estimate.high
    apart = paired_calibration_error_difference(
        (right, overstated(true, 0.02)), (right, true), groups=image
    )
    assert apart.estimate.high - apart.estimate.low > 0.04


@pytest.mark.parametrize("function", BOTH)
def test_the_same_has_no_test(function):
    true, right, image = clustered_answers(0)
    found = function((right, true), (right, true), groups=image)
    assert (found.estimate.value, found.p_value, found.smallest_detectable) == (0, None, None)
    assert found.estimate.note


@pytest.mark.parametrize("function", BOTH)
def test_refusals(function):
    pair = ([1, 0, 1], [0.5, 0.2, 0.9])
    alone = function(pair, ([1, 1, 1], [0.5, 0.1, 0.9]), groups="aaa")
    assert alone.estimate.reason == "one group only: no interval"
    with pytest.raises(ValueError, match="`second` must be of length 3"):
        function(pair, ([1, 0], [0.5, 0.2]), groups="abc")
    with pytest.raises(ValueError, match=r"`y_prob` must be in \[0, 1\]"):
        function(pair, ([1, 0, 1], [0.5, 2, 0.9]), groups="abc")
    with pytest.raises(UndefinedMetricError, match="no samples"):
        function(([], []), ([], []), groups=[])
