"""Average precision of finding errors."""

from __future__ import annotations

from metrics.card.statistics.declaration import Statistic

ERROR_AVERAGE_PRECISION = Statistic(
    "error_average_precision",
    "error AP",
    "average precision of finding errors, the lowest scores first; its baseline is the error rate",
    lambda ranked: ranked.estimates.error_average_precision,
    tables=("run",),
)
