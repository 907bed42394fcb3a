import numpy as np
import pytest
from hypothesis import given
from scipy.stats import pearsonr, pointbiserialr

from metrics.errors import UndefinedMetricError
from metrics.scores.correlation import fisher_interval, point_biserial, point_biserial_estimate
from tests.metrics.helpers.scored import scored


def test_by_hand():
    # means 2 and 0.5, accuracy 1/2, score 3 1 1 0: variance 11/4 - (5/4)² = 19/16
    expected = (2 - 0.5) / (19 / 16) ** 0.5 * 0.5
    assert point_biserial([1, 1, 0, 0], [3, 1, 1, 0]) == pytest.approx(expected)


@given(scored())
def test_against_scipy(data):
    y, s = data
    r = point_biserial(y, s)
    assert r == pytest.approx(pointbiserialr(y, s).statistic)
    assert point_biserial(y, 3 * s - 7) == pytest.approx(r)
    assert point_biserial(1 - y, s) == pytest.approx(-r)


def test_published_intervals_follow_from_fisher():
    # arXiv 2606.17389, pooled set of n = 3,090: R(C_k) and R(H_s)
    assert fisher_interval(0.001, 3090) == pytest.approx((-0.034, 0.036), abs=5e-4)
    assert fisher_interval(-0.012, 3090) == pytest.approx((-0.047, 0.024), abs=8e-4)


def test_fisher_against_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    found = pearsonr(x, y)
    ends = found.confidence_interval(0.9)
    assert fisher_interval(found.statistic, 50, level=0.9) == pytest.approx((ends.low, ends.high))


def test_it_agrees_with_fisher_for_independent_samples():
    rng = np.random.default_rng(1)
    y = rng.random(800) < 0.5
    s = rng.normal(size=800) + 0.5 * y
    found = point_biserial_estimate(y, s, groups=range(800))
    assert (found.low, found.high) == pytest.approx(fisher_interval(found.value, 800), abs=0.02)


def test_standard_error_is_that_of_resampled_images():
    rng = np.random.default_rng(5)
    image = np.arange(400) // 4
    own = rng.normal(size=100)[image]
    y = own + rng.normal(size=400) > 0
    s = rng.exponential(size=400) + y + own
    found, resampled = point_biserial_estimate(y, s, groups=image), []
    for _ in range(500):
        rows = (rng.integers(0, 100, 100)[:, None] * 4 + np.arange(4)).ravel()
        resampled.append(point_biserial(y[rows], s[rows]))
    assert found.stderr == pytest.approx(np.std(resampled), rel=0.12)


@pytest.mark.parametrize("factor", [1e-310, 1e-300, 1e150, 1e300])
def test_the_unit_of_the_score_does_not_matter(factor):
    rng = np.random.default_rng(6)
    y = rng.random(200) < 0.6
    s = rng.normal(size=200) + 0.7 * y
    expected = point_biserial_estimate(y, s, groups=range(200))
    found = point_biserial_estimate(y, s * factor, groups=range(200))
    for name in ("value", "low", "high", "stderr"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-9), name
    assert point_biserial(y, s * factor) == pytest.approx(pointbiserialr(y, s).statistic)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: point_biserial([1, 1], [1, 2]), UndefinedMetricError, "all 2 answers"),
        (lambda: point_biserial([1, 0], [2, 2]), UndefinedMetricError, "constant score: 2"),
        (lambda: fisher_interval(0.5, 3), UndefinedMetricError, "r = 0.5 at n = 3"),
        (lambda: fisher_interval(1.0, 9), UndefinedMetricError, "r = 1"),
        (lambda: fisher_interval(1.5, 9), ValueError, "got 1.5"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_undefined_estimate():
    assert "constant" in point_biserial_estimate([1, 0], [2, 2], groups="ab").reason
    found = point_biserial_estimate([1, 0, 0], [2, 1, 0], groups="abb")
    assert found.reason == "all right answers are of one image: no interval"


def test_a_score_that_is_the_label_says_that_its_width_is_no_certainty():
    found = point_biserial_estimate([1, 0] * 30, [1, 0] * 30, groups=range(60))
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert "no sign of certainty" in found.note
