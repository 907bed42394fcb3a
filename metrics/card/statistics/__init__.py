"""What is computed of every signal. A new statistic is a file of this room and a line here.

Cards, tables, CSV and JSON, the release check and the documentation read this tuple.
"""

from __future__ import annotations

from metrics.card.statistics.auroc import AUROC
from metrics.card.statistics.declaration import Gate, Ranked, Statistic, TwoRuns
from metrics.card.statistics.error_average_precision import ERROR_AVERAGE_PRECISION
from metrics.card.statistics.point_biserial import POINT_BISERIAL
from metrics.card.statistics.selective import SELECTIVE
from metrics.card.statistics.within_answer_auroc import WITHIN_ANSWER_AUROC
from metrics.card.statistics.within_kind_auroc import WITHIN_KIND_AUROC

__all__ = ["STATISTICS", "Gate", "Ranked", "Statistic", "TwoRuns"]

# in the order of the CSV
STATISTICS: tuple[Statistic, ...] = (
    AUROC,
    WITHIN_KIND_AUROC,
    WITHIN_ANSWER_AUROC,
    ERROR_AVERAGE_PRECISION,
    POINT_BISERIAL,
    *SELECTIVE,
)
