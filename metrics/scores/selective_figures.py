"""Selective prediction of one signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.estimate import Estimate
from metrics.core.folds import random_group_folds
from metrics.scores.kept_accuracy import kept_accuracy
from metrics.scores.ranking_estimates import RankingEstimates
from metrics.scores.risk_coverage import RiskCoverageCurve, risk_coverage_curve
from metrics.scores.thresholds import kept_by_other_folds

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
    found: RankingEstimates,
    correct: BoolArray,
    score: FloatArray,
    group: IntArray,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Selective:
    """Return every figure of one signal; raises UndefinedMetricError as the curve does."""
    coverage, shown = _thinned(risk_coverage_curve(correct, score))
    at_80, reached_80 = _accuracy_at(0.8, correct, score, group, rng, level)
    at_90, reached_90 = _accuracy_at(0.9, correct, score, group, rng, level)
    return Selective(
        aurc=found.aurc,
        e_aurc=found.e_aurc,
        augrc=found.augrc,
        prr=found.prr,
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
    found = kept_accuracy(correct, score, group, kept, coverage=coverage, level=level)
    return found, float(kept.mean())
