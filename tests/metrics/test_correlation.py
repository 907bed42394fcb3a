import numpy as np
import pytest
from hypothesis import given
from scipy.stats import pearsonr, pointbiserialr

from metrics.bootstrap import cluster_weights
from metrics.correlation import fisher_interval, point_biserial, point_biserial_estimate
from metrics.errors import UndefinedMetricError
from tests.metrics.test_discrimination import scored


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


def test_bootstrap_agrees_with_fisher_for_independent_samples():
    rng = np.random.default_rng(1)
    y = rng.random(800) < 0.5
    s = rng.normal(size=800) + 0.5 * y
    weights = cluster_weights(range(800), n_resamples=1000, rng=rng)
    found = point_biserial_estimate(y, s, weights=weights)
    assert (found.low, found.high) == pytest.approx(fisher_interval(found.value, 800), abs=0.02)
    rows = np.repeat(np.arange(800), weights[0])
    one = point_biserial_estimate(y, s, weights=np.stack([weights[0], weights[1]]))
    two = [point_biserial(y[np.repeat(np.arange(800), w)], s[np.repeat(np.arange(800), w)])
           for w in weights[:2]]  # fmt: skip
    assert rows.size == 800
    assert one.stderr == pytest.approx(np.std(two, ddof=1))


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
    weights = cluster_weights("ab", n_resamples=10, rng=np.random.default_rng(0))
    assert "constant" in point_biserial_estimate([1, 0], [2, 2], weights=weights).reason
