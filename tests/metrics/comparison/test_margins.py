import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from metrics.comparison.differences import Difference
from metrics.comparison.margins import beyond_margin
from metrics.core.estimate import Estimate
from metrics.scores.paired_differences import paired_auroc_difference, paired_mean_difference


def mean_difference(shift, n=40, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.normal(shift, size=n)
    return first, paired_mean_difference(first, np.zeros(n), groups=range(n))


def test_the_p_value_is_the_one_of_the_interval_that_just_reaches_the_margin():
    _, plain = mean_difference(0.9)
    found = beyond_margin(plain, margin=0.3, n_groups=40)
    edge = beyond_margin(plain, margin=0.3, n_groups=40, level=1 - found.p_value)
    assert edge.estimate.low == pytest.approx(0.3)
    below = beyond_margin(Difference(*turned(plain)), margin=0.3, n_groups=40)
    assert below.p_value == pytest.approx(found.p_value)
    assert below.estimate.high == pytest.approx(-found.estimate.low)


def turned(difference):
    e = difference.estimate
    return (
        Estimate(-e.value, -e.high, -e.low, e.stderr, None), difference.p_value,
        difference.smallest_detectable, difference.degrees, difference.support,
    )  # fmt: skip


def test_without_a_margin_it_is_the_test_of_the_difference():
    first, plain = mean_difference(0.2)
    found = beyond_margin(plain, margin=0.0, n_groups=40)
    squares = (first - first.mean()) ** 2
    kurtosis = 40 * (squares**2).sum() / squares.sum() ** 2
    degrees = min(39, 2 * 40 / (kurtosis - 1))  # Satterthwaite's, with the kurtosis found
    t = plain.estimate.value / plain.estimate.stderr
    assert found.degrees == pytest.approx(degrees)
    assert found.p_value == pytest.approx(2 * student.sf(abs(t), degrees))


def test_a_difference_within_the_margin_is_no_evidence_of_one_beyond_it():
    _, plain = mean_difference(0.2)
    assert beyond_margin(plain, margin=1.0, n_groups=40).p_value == 1


def test_a_spread_of_two_images_has_few_degrees():
    first = np.zeros(200)
    first[:2] = 1
    plain = paired_mean_difference(first, np.zeros(200), groups=range(200))
    assert plain.support == pytest.approx(2, rel=0.03)
    found = beyond_margin(plain, margin=0.02, n_groups=200)
    assert found.degrees == pytest.approx(4, rel=0.05)
    assert plain.estimate.high < found.estimate.high


@pytest.mark.parametrize("n_groups", [20, 300])
def test_where_nothing_differs_the_bound_counts_images(n_groups):
    rng = np.random.default_rng(0)
    y = rng.random(n_groups) < 0.5
    score = y + rng.normal(size=n_groups)
    plain = paired_auroc_difference((y, score), (y, score), groups=range(n_groups))
    found = beyond_margin(plain, margin=0.03, n_groups=n_groups)
    share = found.estimate.high / 2  # an image is in at most twice its share of pairs
    assert binom.pmf(0, n_groups, share) == pytest.approx(0.05)
    assert found.estimate.low == -found.estimate.high
    assert (found.p_value, found.smallest_detectable) == (1, None)
    assert "rule of three" in found.estimate.note


def test_opposite_orders_without_any_spread_are_a_difference_all_the_same():
    y = np.arange(60) % 2
    plain = paired_auroc_difference((y, -y), (y, y), groups=range(60))
    assert (plain.estimate.value, plain.p_value) == (-1, None)
    found = beyond_margin(plain, margin=0.03, n_groups=60)
    assert found.estimate.high < -0.75
    assert 0 < found.p_value < 1e-5


def test_a_normal_test_gets_the_degrees_of_the_images():
    normal = Difference(Estimate(0.1, 0.02, 0.18, 0.04, None), 0.01, 0.1)
    found = beyond_margin(normal, margin=0.02, n_groups=20)
    assert found.degrees == 19
    assert found.p_value == pytest.approx(2 * student.sf(2, 19))
    assert found.estimate.high == pytest.approx(0.1 + student.ppf(0.975, 19) * 0.04)


def test_a_margin_of_everything_is_never_exceeded():
    plain = paired_mean_difference(np.ones(40), np.arange(40) % 2, groups=range(40))
    assert beyond_margin(plain, margin=1.0, n_groups=40).p_value == 1


def test_undefined_stays_undefined_and_bad_arguments_are_named():
    nothing = Difference(Estimate.undefined("no samples"), None, None)
    assert beyond_margin(nothing, margin=0.1, n_groups=20) == nothing
    _, plain = mean_difference(0.2)
    for options, message in (
        ({"margin": -0.1, "n_groups": 20}, "`margin` must be >= 0"),
        ({"margin": float("nan"), "n_groups": 20}, "`margin` must be >= 0"),
        ({"margin": 0.1, "n_groups": 1}, "`n_groups` must be >= 2"),
        ({"margin": 0.1, "n_groups": 20, "reach": 0}, "`reach` must be > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            beyond_margin(plain, **options)
