"""Many requests at once, so that one that fails costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from loguru import logger

from vrp_tasks.faults import ends_run, let_go, reason_of

R = TypeVar("R")
T = TypeVar("T")


def isolated(
    ask: Callable[[list[R]], list[T]],
    requests: Sequence[R],
    *,
    at_once: int,
    lost: Callable[[R, str], T],
) -> list[T]:
    """Ask a few at a time; where that fails, each alone.

    Parameters
    ----------
    ask : callable
        Requests -> as many results.
    requests : sequence
        All of them.
    at_once : int
        How many go together.
    lost : callable
        Request and reason -> what stands for a result that cannot be had.

    Returns
    -------
    list
        A result for each request, in their order.

    Raises
    ------
    Exception
        What `vrp_tasks.faults.ends_run`.
    """
    found: list[T] = []
    for start in range(0, len(requests), max(1, at_once)):
        found += _asked(ask, list(requests[start : start + max(1, at_once)]), lost)
    return found


def _asked(
    ask: Callable[[list[R]], list[T]], part: list[R], lost: Callable[[R, str], T]
) -> list[T]:
    try:
        return ask(part)
    except Exception as error:
        if ends_run(error):
            raise
        logger.opt(exception=error).debug("A request failed.")
        reason = reason_of(error)
        let_go(error)
    if len(part) == 1:
        return [lost(part[0], reason)]
    return [own for one in part for own in _asked(ask, [one], lost)]
