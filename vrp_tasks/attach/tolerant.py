"""An aggregation of the base that may be given fewer answers than it was made for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from loguru import logger

from vrp_tasks.attach.running import running_or_none
from vrp_tasks.faults import reason_of


class TolerantAggregation:
    """Gives None where it fails and documents have failed; else what the base's gives.

    Parameters
    ----------
    aggregation : callable
        The base's.
    task, metric : str
        Whose it is.
    """

    def __init__(self, aggregation: Callable[..., Any], *, task: str, metric: str) -> None:
        self._aggregation, self._task, self._metric = aggregation, task, metric
        functools.update_wrapper(self, aggregation)  # lmms-eval looks for a parameter `args`

    def __call__(self, items: Any, *args: Any, **kwargs: Any) -> Any:
        """The base's result."""
        try:
            return self._aggregation(items, *args, **kwargs)
        except Exception as error:
            running = running_or_none()
            if running is None or not running.has_failed:
                raise
            logger.warning(
                f"{self._task}: no {self._metric}: the base's aggregation fails without the "
                f"documents that failed ({reason_of(error)})."
            )
            return None

    def __deepcopy__(self, memo: dict[int, Any]) -> TolerantAggregation:
        return self


def tolerant(aggregation: Callable[..., Any], *, task: str, metric: str) -> Callable[..., Any]:
    """An aggregation made tolerant; lmms-eval knows its own by identity, so they stay."""
    if str(getattr(aggregation, "__module__", "")).startswith("lmms_eval.api."):
        return aggregation
    return TolerantAggregation(aggregation, task=task, metric=metric)
