import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import cluster_weights
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.ranks import RankInterval, auroc_replicates, mean_replicates, rank_intervals


def shown(found):
    return [(rank.low, rank.high) for rank in found]


def test_by_hand_with_joint_noise():
    """One shared noise cancels: tiny differences are told apart, and alone they would not be."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=1000), rng.normal(size=(3, 1000))
    values = np.array([0.50, 0.52, 0.90])
    assert shown(rank_intervals(values, shared + 0.001 * own)) == [(3, 3), (2, 2), (1, 1)]
    assert shown(rank_intervals(values, 0.1 * own)) == [(2, 3), (2, 3), (1, 1)]
    assert shown(rank_intervals(values, own)) == [(1, 3)] * 3


def test_equal_figures_are_ties_and_a_single_one_is_first():
    noise = np.random.default_rng(0).normal(size=100)
    assert shown(rank_intervals([0.7, 0.7], [noise, noise])) == [(1, 2), (1, 2)]
    assert rank_intervals([0.7], [noise]) == (RankInterval(1, 1),)
    assert rank_intervals([], np.empty((0, 10))) == ()


def test_without_spread_there_is_no_order():
    assert shown(rank_intervals([0.7, 0.9], np.ones((2, 10)))) == [(1, 2), (1, 2)]


@pytest.mark.usefixtures("few_objects")
def test_all_intervals_hold_the_true_ranks_at_once():
    """Simulated: figures with known truth, noise of known size. Misses are rarer than alpha."""
    rng = np.random.default_rng(0)
    truth = np.array([0.0, 0.5, 1.0, 1.0, 4.0])
    missed = 0
    for _ in range(200):
        values = truth + rng.normal(size=5)
        ranks = rank_intervals(values, rng.normal(size=(5, 300)), alpha=0.1)
        for i, rank in enumerate(ranks):
            best, worst = 1 + (truth > truth[i]).sum(), 5 - (truth < truth[i]).sum()
            if rank.low > worst or rank.high < best:
                missed += 1
                break
    assert missed <= 31  # binomial(200, 0.1): more has a chance below 0.01


def test_replicates_by_a_loop():
    rng = np.random.default_rng(0)
    y, s, kinds = rng.random(40) < 0.6, rng.normal(size=40).round(1), rng.integers(0, 2, 40)
    weights = cluster_weights(np.repeat(range(20), 2), n_resamples=15, rng=rng)
    rows = [np.repeat(np.arange(40), w) for w in weights]
    assert auroc_replicates(y, s, weights=weights) == pytest.approx(
        [auroc(y[r], s[r]) for r in rows]
    )
    within = [within_kind_auroc(y[r], s[r], kinds[r]) for r in rows]
    assert auroc_replicates(y, s, weights=weights, kinds=kinds.tolist()) == pytest.approx(within)
    assert mean_replicates(s, weights=weights) == pytest.approx([s[r].mean() for r in rows])


def test_refusals():
    with pytest.raises(ValueError, match=r"`replicates` must be \(2, n\), got shape \(3, 10\)"):
        rank_intervals([1.0, 2.0], np.ones((3, 10)))
    with pytest.raises(UndefinedMetricError, match="5 of 10 resamples lack a class"):
        rank_intervals([1.0, 2.0], [[np.nan, 1.0] * 5, [1.0] * 10])
    with pytest.raises(ValueError, match="of one length"):
        auroc_replicates([1, 0], [1.0, 2.0], weights=np.ones((5, 3), np.uint16))
