"""AUROC within question kinds: easy kinds do not count as separation."""

from __future__ import annotations

from metrics.card.statistics.declaration import Ranked, Statistic
from metrics.core.estimate import Estimate


def _compute(ranked: Ranked) -> Estimate:
    return ranked.within(ranked.samples.kinds, "one question kind only")


WITHIN_KIND_AUROC = Statistic(
    "within_kind_auroc",
    "AUROC in kind",
    "the same over pairs of one question kind only",
    _compute,
    widened_by="stderr_within_kind",
)
