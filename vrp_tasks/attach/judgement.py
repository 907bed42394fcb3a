"""What a task's own scorer says of one answer, before any signal stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from vrp_tasks.place import Place


@dataclass(frozen=True)
class Judgement:
    """One answer, scored.

    Attributes
    ----------
    place : Place
        The document.
    answer : str
        What was scored.
    score : float or None
        In [0, 1]; None without a reference, with the ``reason``.
    correct : int or None
        Whether the score reaches the task's threshold.
    group, kind, target
        Image, question kind, reference answer.
    normalize : callable
        The benchmark's answer normalisation.
    own : mapping
        The base task's results under the names that lmms-eval prints.
    labels : object
        What `vrp_tasks.attach.labels` made of the answer, if it was asked.
    failure : str or None
        Why whoever scores the answer failed.
    """

    place: Place
    answer: str
    score: float | None
    reason: str | None
    correct: int | None
    group: str
    kind: str
    target: str | None
    normalize: Callable[[str], str]
    own: Mapping[str, Any] = field(default_factory=dict)
    labels: Any = None
    failure: str | None = None


_collecting: ContextVar[list[Judgement] | None] = ContextVar("judgements", default=None)


@contextmanager
def judging() -> Iterator[list[Judgement]]:
    """Inside the block scorers hand over what they found instead of looking for signals."""
    found: list[Judgement] = []
    token = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(token)


def hand_over(judged: Judgement) -> bool:
    """Whether somebody is collecting judgements; then this one is with them."""
    found = _collecting.get()
    if found is not None:
        found.append(judged)
    return found is not None


def is_collecting() -> bool:
    """Whether a scorer is asked for its judgement alone."""
    return _collecting.get() is not None
