import math

import pytest
from statsmodels.stats.power import TTestPower

from metrics.comparison.differences import smallest_detectable_difference
from metrics.comparison.sample_size import images_for_difference


@pytest.mark.parametrize("effect", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_that_many_as_a_paired_t_test_needs(effect, power):
    """A mean whose standard deviation is 1: the exact power is of a noncentral t."""
    known = TTestPower().solve_power(effect_size=effect, alpha=0.05, power=power)
    found = images_for_difference(1 / math.sqrt(50), 50, difference=effect, power=power)
    assert found == pytest.approx(known, rel=0.02, abs=2)


def test_one_image_fewer_is_not_enough():
    found = images_for_difference(0.03, 40, difference=0.05)
    for images, enough in ((found, True), (found - 1, False)):
        stderr = 0.03 * math.sqrt(40 / images)
        assert (smallest_detectable_difference(stderr, degrees=images - 1) <= 0.05) == enough


def test_more_for_finer_rarer_and_surer():
    base = images_for_difference(0.02, 100, difference=0.03)
    assert images_for_difference(0.02, 100, difference=0.015) > 3.9 * base
    assert images_for_difference(0.02, 100, difference=0.03, alpha=0.001) > base
    assert images_for_difference(0.02, 100, difference=0.03, power=0.99) > base
    assert images_for_difference(0.02, 200, difference=0.03) == pytest.approx(2 * base, abs=3)


def test_the_ends_of_the_range():
    assert images_for_difference(1e-9, 100, difference=0.5) <= 4
    assert images_for_difference(1e9, 100, difference=1e-9) == 10**9


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"stderr": 0.0}, "stderr"),
        ({"stderr": math.nan}, "stderr"),
        ({"n_groups": 1}, "n_groups"),
        ({"difference": 0.0}, "difference"),
        ({"power": 0.01}, "power"),
        ({"alpha": 1.0}, "alpha"),
    ],
)
def test_malformed_arguments_are_refused(arguments, name):
    legal = {"stderr": 0.02, "n_groups": 100, "difference": 0.03}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        images_for_difference(**(legal | arguments))
