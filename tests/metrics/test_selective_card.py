import numpy as np
import pytest

from metrics.bootstrap import cluster_weights
from metrics.errors import UndefinedMetricError
from metrics.proportions import effective_sample_size, wilson_interval
from metrics.risk_coverage import aurc, e_aurc, prr, risk_coverage_curve
from metrics.selective import accuracy_at_coverage, augrc
from metrics.selective_card import selective_estimates


def _run(seed=0, n=240, decimals=9, n_resamples=40):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n // 3), 3)
    y = rng.random(n) < 0.7
    s = (rng.normal(size=n) + 1.2 * y).round(decimals)
    return y, s, groups, cluster_weights(groups, n_resamples=n_resamples, rng=rng)


def _found(y, s, groups, weights, seed=1):
    return selective_estimates(y, s, groups, weights=weights, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("decimals", [9, 0])
def test_every_resample_is_the_figure_of_the_repeated_samples(decimals):
    # a slow loop over resamples with the plain functions, ties included
    y, s, groups, weights = _run(decimals=decimals)
    found = _found(y, s, groups, weights)
    for name, function in (("aurc", aurc), ("e_aurc", e_aurc), ("augrc", augrc), ("prr", prr)):
        replicates = [
            function(np.repeat(y, w.astype(int)), np.repeat(s, w.astype(int))) for w in weights
        ]
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(function(y, s))
        assert estimate.low == pytest.approx(np.quantile(replicates, 0.025)), name
        assert estimate.high == pytest.approx(np.quantile(replicates, 0.975)), name
        assert estimate.stderr == pytest.approx(np.std(replicates, ddof=1)), name


def test_generalised_risk_of_a_resample_follows_from_auroc_and_accuracy():
    # Traub et al. 2024: the trapezoid area under (coverage, wrong and kept), ties averaged
    y, s, groups, weights = _run(decimals=0, n_resamples=60)
    areas = []
    for w in weights:
        yb, sb = (np.repeat(v, w.astype(int)) for v in (y, s))
        size = np.unique(-sb, return_inverse=True)[1]
        share = np.bincount(size, weights=~yb) / np.bincount(size)
        silent = np.r_[0, np.cumsum(np.repeat(share, np.bincount(size)))] / yb.size
        areas.append(np.trapezoid(silent, dx=1 / yb.size))
    found = _found(y, s, groups, weights).augrc
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])))


def test_accuracy_at_coverage_has_wilsons_interval_of_the_kept():
    y, s, groups, weights = _run()
    found = _found(y, s, groups, weights)
    same = np.random.default_rng(1)
    plain = accuracy_at_coverage(y, s, groups, coverage=0.8, rng=same)
    assert (found.accuracy_at_80.value, found.reached_80) == (plain.accuracy, plain.coverage)
    # at these sizes the thresholds of the folds keep nearly the same answers as one threshold
    kept = s >= np.quantile(s, 0.2)
    effective = effective_sample_size(y[kept], groups[kept])
    low, high = wilson_interval(y[kept].sum(), int(kept.sum()), effective_n=effective)
    assert found.accuracy_at_80.low == pytest.approx(low, abs=0.02)
    assert found.accuracy_at_80.high == pytest.approx(high, abs=0.02)
    assert found.accuracy_at_80.value > found.accuracy_at_90.value - 0.02 > y.mean() - 0.02


def test_the_curve_is_thinned_and_keeps_its_ends():
    y, s, groups, weights = _run()
    found, curve = _found(y, s, groups, weights), risk_coverage_curve(y, s)
    assert len(found.coverage) == len(found.risk) == 101
    assert (found.coverage[0], found.coverage[-1]) == (1 / 240, 1.0)
    assert found.risk[-1] == pytest.approx((~y).mean())
    assert set(found.risk) <= set(curve.risk.tolist())
    few = _found(*_run(n=30))
    assert few.coverage == pytest.approx(np.arange(1, 31) / 30)


def test_few_images_leave_only_accuracy_at_coverage_undefined():
    y, s = np.arange(40) % 3 > 0, np.arange(40) % 7.0
    groups = np.arange(40) % 4
    weights = cluster_weights(groups, n_resamples=50, rng=np.random.default_rng(0))
    found = _found(y, s, groups, weights)
    assert found.accuracy_at_80.reason == "4 groups for 5 folds"
    assert found.reached_80 is None
    assert found.aurc.value == aurc(y, s)


def test_refusals():
    y, s, groups, weights = _run()
    with pytest.raises(UndefinedMetricError, match="all 240 answers are correct"):
        _found(np.ones(240), s, groups, weights)
    with pytest.raises(UndefinedMetricError, match="constant score"):
        _found(y, np.ones(240), groups, weights)
    with pytest.raises(ValueError, match=r"`weights` must be \(n_resamples, 240\), got shape"):
        _found(y, s, groups, weights[:, 1:])
    with pytest.raises(ValueError, match="`y_score` must be of length 240"):
        _found(y, s[1:], groups, weights)
