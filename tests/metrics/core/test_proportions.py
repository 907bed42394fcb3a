import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from metrics.core.proportions import effective_sample_size, proportion_estimate, wilson_interval
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import mean_estimate


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_against_statsmodels(case):
    k, n = case
    low, high = wilson_interval(k, n)
    assert (low, high) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    assert 0 <= low <= k / n <= high <= 1
    assert low < high


def test_effective_n_replaces_n_in_the_width_only():
    assert wilson_interval(160, 200, effective_n=50) == pytest.approx(wilson_interval(40, 50))


def test_published_precision_at_full_agreement():
    # arXiv 2606.17389: 90.8 % [88.4, 92.8]; an interval of that width needs about 700 samples
    low, high = wilson_interval(round(0.908 * 700), 700)
    assert (low, high) == pytest.approx((0.884, 0.928), abs=0.002)


def test_effective_sample_size_by_hand():
    # y = 1,1,0,0,1,1 in pairs: mean 2/3; group sums of deviations 2/3, -4/3, 2/3
    # V = 3/2 / 36 * (4/9 + 16/9 + 4/9) = 1/9; s² = (4 * 1/9 + 2 * 4/9) / 5 = 4/15; ratio 12/5
    assert effective_sample_size([1, 1, 0, 0, 1, 1], list("aabbcc")) == pytest.approx(12 / 5)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=30).filter(lambda v: np.ptp(v) > 1e-3))
def test_singletons_count_fully_and_copies_not_at_all(values):
    n = len(values)
    assert effective_sample_size(values, range(n)) == pytest.approx(n)
    tripled, groups = np.repeat(values, 3), np.repeat(np.arange(n), 3).tolist()
    # the sample variance of copies has n - 1/3 where that of the originals has n - 1
    expected = n * (n - 1) / (n - 1 / 3)
    assert effective_sample_size(tripled, groups) == pytest.approx(expected)


def test_never_more_than_n():
    assert effective_sample_size([0, 1, 0, 1, 0, 1], list("aabbcc")) == 6


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: wilson_interval(0, 0), UndefinedMetricError, "no samples"),
        (lambda: wilson_interval(5, 4), ValueError, r"in \[0, 4\], got 5"),
        (lambda: wilson_interval(1, 4, effective_n=0), ValueError, "> 0, got 0"),
        (lambda: wilson_interval(1, 4, level=0), ValueError, "got 0"),
        (lambda: effective_sample_size([1, 1], "ab"), UndefinedMetricError, r"constant \(1\)"),
        (lambda: effective_sample_size([1, 0], "aa"), UndefinedMetricError, "two groups, got 1"),
        (lambda: effective_sample_size([1, 0], "abc"), ValueError, "length 2.*got length 3"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_estimate_is_wilson_at_the_effective_size():
    y, groups = np.array([1, 1, 0, 0, 1, 1]), list("aabbcc")
    found = proportion_estimate(y, groups)
    # t with two degrees of freedom in place of the normal quantile
    level = 2 * norm.cdf(student.ppf(0.975, 2)) - 1
    expected = wilson_interval(4, 6, effective_n=12 / 5, level=level)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.stderr == pytest.approx((4 / 6 * 2 / 6 / (12 / 5)) ** 0.5)


def test_all_ones_keep_a_width_of_as_many_images():
    found = proportion_estimate([1] * 12, [i // 3 for i in range(12)])
    low, high = wilson_interval(12, 12, effective_n=4)
    assert (found.value, found.low, found.high) == (1, low, high)
    assert found.stderr == pytest.approx((high - low) / (2 * 1.959964))
    assert found.note == "4 images only: below 20 an interval may be too short"
    assert proportion_estimate([], []).reason == "no samples"


def test_images_that_do_not_differ_are_no_evidence_of_independence():
    # five right answers of ten in either of two images: n_eff was 20
    found = proportion_estimate([1, 0] * 10, np.repeat([0, 1], 10))
    assert found.stderr == pytest.approx((0.25 / 2) ** 0.5)
    assert found.low < 0.02
    assert found.high > 0.98


def test_a_share_of_seeds_is_as_certain_as_its_mean():
    rng = np.random.default_rng(3)
    values, groups = rng.integers(0, 5, 400) / 4, np.arange(400) // 4
    found = proportion_estimate(values, groups)
    assert found.stderr == pytest.approx(mean_estimate(values, groups=groups).stderr, rel=0.05)
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 0 … 2"):
        proportion_estimate([0, 2], "ab")


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e200, 1e306])
def test_effective_size_does_not_depend_on_the_unit(factor):
    y = np.array([1.0, 1, 0, 0, 1, 1, 3])
    expected = effective_sample_size(y, list("aabbccd"))
    assert effective_sample_size(y * factor, list("aabbccd")) == pytest.approx(expected)


def test_wilson_has_no_level_of_zero_or_one():
    for level in (0, 1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\)"):
            wilson_interval(5, 10, level=level)
    assert wilson_interval(5, 10, level=1 - 1e-15) == pytest.approx((0, 1), abs=0.1)
    assert wilson_interval(5, 10, effective_n=1e-300) == pytest.approx((0, 1), abs=1e-12)


def test_a_level_that_rounds_to_one_is_refused():
    with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\)"):
        wilson_interval(5, 10, level=1 - 1e-16)
