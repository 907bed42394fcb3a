import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from metrics._ranking import ranking_replicates, weighted_auroc, weighted_stratified_auroc
from metrics._resampling import weighted_mean
from metrics.bootstrap import (
    Estimate,
    auroc_estimate,
    cluster_weights,
    error_average_precision_estimate,
    mean_estimate,
)
from metrics.errors import UndefinedMetricError


def test_weights_draw_whole_groups():
    groups = ["a", "b", "a", "c", "b"]
    weights = cluster_weights(groups, n_resamples=400, rng=np.random.default_rng(0))
    assert weights.shape == (400, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()  # three groups, three draws
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.15)


def test_weights_repeat_with_the_seed():
    one, two = (
        cluster_weights(range(9), n_resamples=5, rng=np.random.default_rng(7)) for _ in range(2)
    )
    assert (one == two).all()


@given(st.integers(0, 10_000))
def test_weighted_statistics_equal_repeated_samples(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    y, s = rng.random(n) < 0.6, rng.integers(0, int(rng.integers(2, 60)), n).astype(float)
    kinds = rng.integers(0, 3, n)
    weights = rng.integers(0, 3, (n, 3)).astype(np.uint16)
    plain, stratified = (
        weighted_auroc(y, s, weights),
        weighted_stratified_auroc(y, s, kinds, weights),
    )
    ranking, mean = ranking_replicates(y, s, weights), weighted_mean(s, weights)
    precision = ranking.error_precision
    for b in range(3):
        rows = np.repeat(np.arange(n), weights[:, b])
        yb, sb, kb = y[rows], s[rows], kinds[rows]
        assert (mean[b] == pytest.approx(sb.mean())) if rows.size else np.isnan(mean[b])
        if rows.size == 0 or yb.all() or not yb.any():
            assert np.isnan([plain[b], precision[b], ranking.aurc[b]]).all()
            continue
        assert ranking.auroc[b] == plain[b]
        assert ranking.accuracy[b] == pytest.approx(yb.mean())
        assert ranking.aurc[b] == pytest.approx(_area_by_loop(yb, sb), abs=1e-9)
        assert ranking.oracle_aurc[b] == pytest.approx(_area_by_loop(yb, yb), abs=1e-9)
        assert plain[b] == pytest.approx(roc_auc_score(yb, sb), abs=1e-12)
        assert precision[b] == pytest.approx(average_precision_score(~yb, -sb), abs=1e-6)
        pairs = [
            (sb[i] > sb[j]) + 0.5 * (sb[i] == sb[j])
            for i in np.flatnonzero(yb)
            for j in np.flatnonzero(~yb)
            if kb[i] == kb[j]
        ]
        expected = np.mean(pairs) if pairs else np.nan
        assert stratified[b] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def _area_by_loop(y, s):
    """Mean risk over every number kept, where tied answers are kept in equal parts."""
    risks = []
    for kept in range(1, y.size + 1):
        wrong, room = 0.0, kept
        for value in sorted(set(s), reverse=True):
            level = y[s == value]
            wrong += (~level).mean() * min(room, level.size)
            room -= min(room, level.size)
        risks.append(wrong / kept)
    return np.mean(risks)


def _gaussian(rng, n, shift):
    y = rng.random(n) < 0.6
    return y, rng.normal(size=n) + shift * y


def test_interval_width_agrees_with_hanley_and_mcneil():
    rng = np.random.default_rng(3)
    y, s = _gaussian(rng, 2000, 1.0)
    weights = cluster_weights(range(2000), n_resamples=1000, rng=rng)
    found = auroc_estimate(y, s, weights=weights)
    a, n1, n0 = found.value, y.sum(), (~y).sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0)
    assert found.stderr == pytest.approx(variance**0.5, rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)
    assert found.reason is None


def test_duplicated_samples_do_not_make_it_more_certain():
    rng = np.random.default_rng(4)
    y, s = _gaussian(rng, 300, 0.8)
    once = auroc_estimate(
        y, s, weights=cluster_weights(range(300), n_resamples=800, rng=rng)
    )  # fmt: skip
    groups = np.repeat(np.arange(300), 4)
    weights = cluster_weights(groups.tolist(), n_resamples=800, rng=rng)
    fourfold = auroc_estimate(np.repeat(y, 4), np.repeat(s, 4), weights=weights)
    assert fourfold.stderr == pytest.approx(once.stderr, rel=0.1)


def test_coverage_of_the_truth():
    # AUROC of two unit normals one apart: Phi(1 / sqrt 2) = 0.7602; 60 intervals of 95 %
    truth, inside = 0.7602499, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y, s = _gaussian(rng, 150, 1.0)
        weights = cluster_weights(range(150), n_resamples=200, rng=rng)
        found = auroc_estimate(y, s, weights=weights)
        inside += found.low <= truth <= found.high
    assert inside >= 52  # P(fewer) < 0.01 at 95 %


def test_mean_has_the_standard_error_of_a_mean():
    values = np.random.default_rng(5).exponential(size=500)
    weights = cluster_weights(range(500), n_resamples=2000, rng=np.random.default_rng(6))
    found = mean_estimate(values, weights=weights)
    assert found.value == values.mean()
    assert found.stderr == pytest.approx(values.std(ddof=1) / 500**0.5, rel=0.06)


def test_within_kind_and_precision_estimates_use_the_same_resamples():
    rng = np.random.default_rng(8)
    y, s = _gaussian(rng, 400, 1.0)
    weights = cluster_weights(range(400), n_resamples=300, rng=rng)
    one_kind = auroc_estimate(y, s, weights=weights, kinds=["a"] * 400)
    plain = auroc_estimate(y, s, weights=weights)
    numbers = ("value", "low", "high", "stderr")
    for name in numbers:
        assert getattr(one_kind, name) == pytest.approx(getattr(plain, name))
    ap = error_average_precision_estimate(y, s, weights=weights)
    assert ap.low < ap.value < ap.high
    assert 1 - y.mean() < ap.value


def test_undefined_carries_its_reason_and_no_number():
    weights = cluster_weights(range(4), n_resamples=50, rng=np.random.default_rng(0))
    for found in (
        auroc_estimate([1, 1, 1, 1], [1, 2, 3, 4], weights=weights),
        error_average_precision_estimate([1, 1, 1, 1], [1, 2, 3, 4], weights=weights),
    ):
        assert found == Estimate.undefined("one class only: all 4 answers are correct")
        assert (found.value, found.low, found.high, found.stderr) == (None,) * 4
    assert "constant" in auroc_estimate([1, 0, 1, 1], [2] * 4, weights=weights).reason
    assert mean_estimate([], weights=weights[:, :0]).reason == "no samples"


def test_one_group_gives_no_interval():
    weights = cluster_weights("aaaa", n_resamples=50, rng=np.random.default_rng(0))
    assert "one group" in auroc_estimate([1, 0, 1, 0], range(4), weights=weights).reason


def test_too_many_resamples_without_a_class():
    # one wrong answer in 20 groups is missed by (19/20)^20 = 36 % of the resamples
    weights = cluster_weights(range(20), n_resamples=500, rng=np.random.default_rng(0))
    found = auroc_estimate([0] + [1] * 19, range(20), weights=weights)
    assert found.value is None
    assert found.n_dropped / 500 == pytest.approx(0.358, abs=0.07)
    assert found.reason == f"{found.n_dropped} of 500 resamples lack a class"


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="`n_resamples` must be >= 1, got 0"):
        cluster_weights("ab", n_resamples=0, rng=rng)
    with pytest.raises(UndefinedMetricError, match="no samples"):
        cluster_weights("", n_resamples=5, rng=rng)
    weights = cluster_weights("abc", n_resamples=5, rng=rng)
    with pytest.raises(ValueError, match=r"\(n_resamples, 2\), got shape \(5, 3\)"):
        auroc_estimate([0, 1], [1, 2], weights=weights)
    with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\], got 2"):
        mean_estimate([1, 2, 3], weights=weights, level=2)


def test_perfect_separation_has_the_width_of_the_rule_of_three():
    # 40 images, right and wrong answers in 20 each: 20 disjoint pairs
    y = np.arange(40) < 20
    weights = cluster_weights(range(40), n_resamples=200, rng=np.random.default_rng(0))
    found = auroc_estimate(y, y + 0.0, weights=weights)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.05 ** (1 / 20))
    assert found.low == pytest.approx(1 - 3 / 20, abs=0.02)
    assert found.stderr > 0
    assert "rule of three" in found.note
    inverted = auroc_estimate(y, 1.0 - y, weights=weights)
    assert (inverted.low, inverted.value) == (0, 0)
    assert inverted.high == pytest.approx(1 - 0.05 ** (1 / 20))
    # two questions per image, one right and one wrong: a pair takes two of the 20 images
    paired = cluster_weights(
        [i // 2 for i in range(40)], n_resamples=200, rng=np.random.default_rng(0)
    )
    y = np.arange(40) % 2 == 0
    assert auroc_estimate(y, y + 0.0, weights=paired).low == pytest.approx(0.05 ** (1 / 10))


def test_perfect_separation_within_kinds_weighs_the_kinds_by_pairs():
    kinds = ["a"] * 20 + ["b"] * 8
    y = np.r_[np.arange(20) < 10, np.arange(8) < 4]
    weights = cluster_weights(range(28), n_resamples=200, rng=np.random.default_rng(0))
    found = auroc_estimate(y, y + 0.0, weights=weights, kinds=kinds)
    # 100 pairs with 10 disjoint ones, 16 pairs with 4
    assert found.low == pytest.approx((100 * 0.05 ** (1 / 10) + 16 * 0.05 ** (1 / 4)) / 116)


def test_a_truth_at_the_bound_is_rarely_perfect():
    # 3 right and 3 wrong answers: an AUROC as low as the bound gives a perfect sample in at most
    # 5 % of draws
    weights = cluster_weights(range(6), n_resamples=400, rng=np.random.default_rng(0))
    y = np.arange(6) < 3
    bound = auroc_estimate(y, y + 0.0, weights=weights).low
    assert bound == pytest.approx(0.05 ** (1 / 3))
    shift = 2**0.5 * norm.ppf(bound)
    s = np.random.default_rng(11).normal(size=(20_000, 6)) + shift * y
    perfect = (s[:, :3].min(axis=1) > s[:, 3:].max(axis=1)).mean()
    assert 0 < perfect < 0.05


def test_a_constant_statistic_says_that_its_width_is_no_certainty():
    weights = cluster_weights(range(9), n_resamples=50, rng=np.random.default_rng(0))
    assert "no sign of certainty" in mean_estimate([1.0] * 9, weights=weights).note
