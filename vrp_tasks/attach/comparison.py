"""Whether the scores of single answers make the figure that the base task prints.

A field called ``score`` may hold something else, such as the letter an answer was read as. So each
aggregation of a scored metric is watched: its result should be the mean of the scores, or a hundred
times that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from loguru import logger

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.score import ScoreRule

Comparison = dict[str, dict[str, float]]


class WatchedAggregation:
    """An aggregation of the base, its result noted beside the mean of the scores.

    Parameters
    ----------
    aggregation : callable
        The base's.
    key : str
        The metric.
    rule : ScoreRule
        Takes the score out of a value.
    found : dict
        Where the comparison goes.
    """

    def __init__(
        self, aggregation: Callable[..., Any], key: str, rule: ScoreRule, found: Comparison
    ) -> None:
        self._aggregation, self._key, self._rule, self._found = aggregation, key, rule, found
        functools.update_wrapper(self, aggregation)  # lmms-eval looks for a parameter `args`

    def __call__(self, items: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """The base's result, unchanged."""
        scores = []
        for item in items:
            try:
                scores.append(self._rule.read(None, "", {self._key: item}))
            except UndefinedMetricError:
                continue
        result = self._aggregation(items, *args, **kwargs)
        if scores and isinstance(result, Real):
            mean = sum(scores) / len(scores)
            self._found[self._key] = {"stock": float(result), "mean_of_scores": mean}
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> WatchedAggregation:
        return self


def watched(metric: Mapping[str, Any], rule: ScoreRule, found: Comparison) -> Callable[..., Any]:
    """The aggregation of a metric, watched if it is a function of the base's own."""
    aggregation: Callable[..., Any] = metric["aggregation"]
    stock = str(getattr(aggregation, "__module__", "")).startswith("lmms_eval.api.")
    if stock or rule.aggregations is not None or metric["metric"] not in rule.keys:
        return aggregation
    return WatchedAggregation(aggregation, metric["metric"], rule, found)


def warn_if_other(task: str, base: str, found: Comparison) -> None:
    """Say so if no figure of the base is the mean of the scores."""
    if not found or any(_agrees(**pair) for pair in found.values()):
        return
    key, pair = next(iter(found.items()))
    logger.warning(
        f"{task}: {base} prints {key} {pair['stock']:.4f}, the mean of the scores taken from it is "
        f"{pair['mean_of_scores']:.4f}. If {key} is no average of right and wrong answers, that is "
        "as it should be; else say in metadata.vrp which key is the score (docs/tasks.md)."
    )


def _agrees(stock: float, mean_of_scores: float) -> bool:
    return any(
        math.isclose(stock, scale * mean_of_scores, rel_tol=1e-3, abs_tol=1e-6)
        for scale in (1, 100)
    )
