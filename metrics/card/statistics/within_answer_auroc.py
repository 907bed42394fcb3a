"""AUROC within each given answer: a habit of saying "yes" does not count as separation."""

from __future__ import annotations

from metrics.card.statistics.declaration import Ranked, Statistic
from metrics.core.estimate import Estimate


def _compute(ranked: Ranked) -> Estimate:
    return ranked.within(ranked.samples.answers, "one given answer only")


WITHIN_ANSWER_AUROC = Statistic(
    "within_answer_auroc",
    "AUROC in answer",
    "the same over pairs of right and wrong answers with the same text only",
    _compute,
    tables=("run",),
    widened_by="stderr_within_answer",
)
