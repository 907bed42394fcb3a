import numpy as np
import pytest
from scipy.stats import norm

from metrics.bootstrap import auroc_estimate, cluster_weights
from metrics.discrimination import within_kind_auroc
from metrics.paired_differences import (
    paired_augrc_difference,
    paired_auroc_difference,
    paired_mean_difference,
)
from metrics.selective import augrc

N, RESAMPLES = 60, 40


def drawn(seed=0, n=N):
    """Labels, scores and kinds of two models on 30 images of two questions, and the weights."""
    rng = np.random.default_rng(seed)
    labels = rng.random((2, n)) < [[0.6], [0.7]]
    scores = np.round(1 / (1 + np.exp(rng.normal(size=(2, n)) - labels)), 1)
    kinds = rng.integers(0, 2, n)
    groups = np.repeat(np.arange(n // 2), 2)
    return labels, scores, kinds, cluster_weights(groups, n_resamples=RESAMPLES, rng=rng)


def by_loop(statistic, weights):
    """Differences of the statistic on the rows of each resample, copied out."""
    rows = [np.repeat(np.arange(weights.shape[1]), w) for w in weights]
    return np.array([statistic(0, r) - statistic(1, r) for r in rows])


def check(found, statistic, weights):
    replicates = by_loop(statistic, weights)
    everything = np.arange(weights.shape[1])
    estimate = found.estimate
    assert estimate.value == pytest.approx(statistic(0, everything) - statistic(1, everything))
    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(replicates, [0.025, 0.975]))
    assert estimate.stderr == pytest.approx(replicates.std(ddof=1), rel=1e-6)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(estimate.value) / estimate.stderr))


def test_means_by_a_loop():
    labels, _, _, weights = drawn()
    found = paired_mean_difference(*labels, weights=weights)
    check(found, lambda run, rows: labels[run, rows].mean(), weights)


def test_within_kind_aurocs_by_a_loop():
    labels, scores, kinds, weights = drawn()
    pairs = zip(labels, scores, strict=True)
    found = paired_auroc_difference(*pairs, weights=weights, kinds=kinds)
    check(
        found,
        lambda run, rows: within_kind_auroc(labels[run, rows], scores[run, rows], kinds[rows]),
        weights,
    )


def test_augrcs_by_a_loop():
    labels, scores, _, weights = drawn()
    found = paired_augrc_difference(*zip(labels, scores, strict=True), weights=weights)
    check(found, lambda run, rows: augrc(labels[run, rows], scores[run, rows]), weights)


def test_a_difference_without_spread_has_the_sign_test_over_groups():
    weights = cluster_weights(
        np.repeat(np.arange(10), 2), n_resamples=100, rng=np.random.default_rng(0)
    )
    found = paired_mean_difference(np.ones(20), np.zeros(20), weights=weights)
    assert found.estimate.value == 1
    assert found.p_value == 2**-9  # ten images, all on one side, two-sided
    same = paired_mean_difference(np.ones(20), np.ones(20), weights=weights)
    assert (same.estimate.value, same.p_value) == (0, None)


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


def test_lengths_must_agree():
    labels, scores, _, weights = drawn()
    pair = (labels[0], scores[0])
    with pytest.raises(ValueError, match=r"got shapes \(60,\), \(60,\) and \(40, 59\)"):
        paired_augrc_difference(pair, pair, weights=weights[:, 1:])
    with pytest.raises(ValueError, match="of one length"):
        paired_mean_difference(labels[0], labels[1][1:], weights=weights)
