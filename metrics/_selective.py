"""Selective prediction of one signal, from replicates that are there already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics._checks import BoolArray, FloatArray, IntArray
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._folds import random_group_folds
from metrics._ranking import RankingReplicates
from metrics._resampling import Weights
from metrics._thresholds import kept_by_other_folds
from metrics.proportions import proportion_estimate
from metrics.risk_coverage import RiskCoverageCurve, e_aurc, prr, risk_coverage_curve
from metrics.selective import augrc

N_FOLDS = 5
MAX_POINTS = 101


@dataclass(frozen=True)
class Selective:
    """What answering only where the signal is high would give.

    ``coverage`` and ``risk`` draw the curve, averaged over ties and thinned to at most 101 points.
    ``accuracy_at_80`` aims at 80 % coverage with thresholds chosen on other images;
    ``reached_80`` is the coverage really reached, which ties push above the aim.
    """

    aurc: Estimate
    e_aurc: Estimate
    augrc: Estimate
    prr: Estimate
    accuracy_at_80: Estimate
    accuracy_at_90: Estimate
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    reached_80: float | None = None
    reached_90: float | None = None


def selective_from(
    replicates: RankingReplicates,
    correct: BoolArray,
    score: FloatArray,
    group: IntArray,
    *,
    weights: Weights,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Selective:
    """Return every figure of one signal; raises UndefinedMetricError as the curve does."""
    curve = risk_coverage_curve(correct, score)
    found, risk = replicates, 1 - replicates.accuracy

    def estimate(value: float, of_resamples: FloatArray) -> Estimate:
        return estimate_from_replicates(value, of_resamples, weights=weights, level=level)

    generalised = (1 - found.auroc) * found.accuracy * risk + risk**2 / 2
    excess = np.maximum(found.aurc - found.oracle_aurc, 0)
    coverage, shown = _thinned(curve)
    at_80, reached_80 = _accuracy_at(0.8, correct, score, group, rng, level)
    at_90, reached_90 = _accuracy_at(0.9, correct, score, group, rng, level)
    return Selective(
        aurc=estimate(float(curve.risk.mean()), found.aurc),
        e_aurc=estimate(e_aurc(correct, score), excess),
        augrc=estimate(augrc(correct, score), generalised),
        prr=estimate(prr(correct, score), (risk - found.aurc) / (risk - found.oracle_aurc)),
        accuracy_at_80=at_80,
        accuracy_at_90=at_90,
        coverage=coverage,
        risk=shown,
        reached_80=reached_80,
        reached_90=reached_90,
    )


def _thinned(curve: RiskCoverageCurve) -> tuple[tuple[float, ...], tuple[float, ...]]:
    points = np.linspace(0, curve.risk.size - 1, min(MAX_POINTS, curve.risk.size)).round()
    rows = points.astype(np.int64)
    return tuple(curve.coverage[rows].tolist()), tuple(curve.risk[rows].tolist())


def _accuracy_at(
    coverage: float,
    correct: BoolArray,
    score: FloatArray,
    group: IntArray,
    rng: np.random.Generator,
    level: float,
) -> tuple[Estimate, float | None]:
    n_groups = int(group.max()) + 1
    if n_groups < N_FOLDS:
        return Estimate.undefined(f"{n_groups} groups for {N_FOLDS} folds"), None
    fold = random_group_folds(group, n_folds=N_FOLDS, rng=rng)
    kept = kept_by_other_folds(score, fold, coverage)
    if not kept.any():
        return Estimate.undefined(f"no answer reaches its threshold at {coverage:.0%}"), None
    return proportion_estimate(correct[kept], group[kept], level=level), float(kept.mean())
