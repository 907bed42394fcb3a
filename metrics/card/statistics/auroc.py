"""AUROC: the chance that a right answer has the higher score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.card.samples import LEVEL
from metrics.card.statistics.declaration import Gate, Ranked, Statistic, TwoRuns
from metrics.comparison.differences import Difference
from metrics.core.checks import FloatArray
from metrics.core.estimate import Estimate
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.paired_differences import paired_auroc_difference


def _compute(ranked: Ranked) -> Estimate:
    _ = ranked.estimates  # undefined with the reason of all figures of the ranking
    return auroc_estimate(ranked.correct, ranked.score, groups=ranked.samples.groups, level=LEVEL)


def _value(correct: FloatArray, score: FloatArray, kinds: Sequence[str] | None) -> float:
    return auroc(correct, score) if kinds is None else within_kind_auroc(correct, score, kinds)


def _difference(runs: TwoRuns) -> Difference:
    return paired_auroc_difference(
        runs.new,
        runs.old,
        groups=runs.groups,
        kinds=runs.strata,
        fit_variance=float(np.square(runs.fit_stderr).sum()),
    )


AUROC = Statistic(
    "auroc",
    "AUROC",
    "chance that a right answer has a higher score than a wrong one; 0.5 is chance",
    _compute,
    widened_by="stderr",
    gate=Gate(_value, _difference, "auroc"),
)
