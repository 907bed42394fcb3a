import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from metrics.bootstrap import auroc_estimate, cluster_weights
from metrics.comparison import (
    benjamini_hochberg,
    holm,
    paired_auroc_difference,
    smallest_detectable_difference,
)
from metrics.errors import UndefinedMetricError

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03: 3 * 0.01, 2 * 0.02, max(0.04, 1 * 0.03)
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@given(p_values)
def test_adjustments(p):
    p = np.array(p)
    order = np.argsort(p)
    steps = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    assert holm(p)[order] == pytest.approx(np.minimum(steps, 1))
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (benjamini_hochberg(p) >= p - 1e-12).all()


def _two_signals(seed, shift, n=600):
    rng = np.random.default_rng(seed)
    y, shared = rng.random(n) < 0.6, rng.normal(size=n)
    one = y + shared + 0.3 * rng.normal(size=n) + shift * y
    two = y + shared + 0.3 * rng.normal(size=n)
    return y, one, two, cluster_weights(range(n), n_resamples=400, rng=rng)


def test_pairing_sees_what_separate_intervals_hide():
    y, one, two, weights = _two_signals(0, 0.25)
    found = paired_auroc_difference((y, one), (y, two), weights=weights)
    a, b = (auroc_estimate(y, s, weights=weights) for s in (one, two))
    assert found.estimate.value == pytest.approx(a.value - b.value)
    assert found.estimate.stderr < 0.6 * np.hypot(a.stderr, b.stderr)
    assert found.p_value < 0.01
    assert a.low < b.high
    turned = paired_auroc_difference((y, two), (y, one), weights=weights)
    assert turned.estimate.value == pytest.approx(-found.estimate.value)
    assert turned.p_value == pytest.approx(found.p_value)


def test_no_difference_is_called_at_its_level():
    called = 0
    for seed in range(60):
        y, one, two, weights = _two_signals(seed, 0.0, n=200)
        called += paired_auroc_difference((y, one), (y, two), weights=weights).p_value < 0.05
    assert called <= 8  # P(more) < 0.01 at 5 %


def test_two_models_bring_their_own_labels():
    rng = np.random.default_rng(2)
    y1, y2 = rng.random(300) < 0.5, rng.random(300) < 0.8
    weights = cluster_weights(range(300), n_resamples=200, rng=rng)
    found = paired_auroc_difference(
        (y1, y1 + rng.normal(size=300)), (y2, rng.normal(size=300)), weights=weights
    )
    assert found.estimate.value > 0
    assert found.smallest_detectable == pytest.approx(
        (norm.ppf(0.975) + norm.ppf(0.8)) * found.estimate.stderr
    )


def test_the_same_signal_has_no_test():
    y, one, _, weights = _two_signals(0, 0.25)
    found = paired_auroc_difference((y, one), (y, one), weights=weights)
    assert (found.estimate.value, found.p_value, found.smallest_detectable) == (0, None, None)


def test_undefined_has_a_reason():
    weights = cluster_weights("abc", n_resamples=10, rng=np.random.default_rng(0))
    found = paired_auroc_difference(([1, 0, 1], [1, 2, 3]), ([1, 1, 1], [1, 2, 3]), weights=weights)
    assert found.estimate.reason == "one class only: all 3 answers are correct"
    assert found.p_value is None


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: holm([]), UndefinedMetricError, "no p-values"),
        (lambda: benjamini_hochberg([0.5, 2.0]), ValueError, "got 0.5 … 2"),
        (lambda: smallest_detectable_difference(0), ValueError, "`stderr` must be > 0, got 0"),
        (lambda: smallest_detectable_difference(1, power=1), ValueError, "`power` must be in"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
