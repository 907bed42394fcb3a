"""Point-biserial correlation of score and correctness."""

from __future__ import annotations

from metrics.card.statistics.declaration import Ranked, Statistic
from metrics.core.estimate import Estimate
from metrics.scores.correlation import point_biserial_estimate


def _compute(ranked: Ranked) -> Estimate:
    return point_biserial_estimate(ranked.correct, ranked.score, groups=ranked.samples.groups)


POINT_BISERIAL = Statistic(
    "point_biserial", "point-biserial r", "correlation of the score with right and wrong", _compute
)
