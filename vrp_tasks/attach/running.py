"""Which evaluation is running: the one piece of process-wide state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from metrics.card.card import Card
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.errors import CaptureError
from vrp_tasks.place import Place


class Running(Protocol):
    """What scorers and lmms-eval's aggregations may ask of the evaluation that is running."""

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Our tasks by name."""

    def results_known(self, place: Place, answer: str) -> dict[str, Any] | None:
        """What was found for an answer when it was observed; None if it was not."""

    def results_without(self, judged: Judgement) -> dict[str, Any]:
        """What there is for an answer that was not observed in this process."""

    @property
    def has_failed(self) -> bool:
        """Whether any document has failed so far."""

    def card(self, task: str) -> Card:
        """Every signal of a task, scored; once all of its samples are there."""


_running: list[Running] = []


@contextmanager
def running(session: Running) -> Iterator[None]:
    """Make a session the one that is asked, inside the block."""
    _running.append(session)
    try:
        yield
    finally:
        _running.remove(session)


def current() -> Running:
    """The session of the evaluation that is running; CaptureError outside one."""
    if not _running:
        raise CaptureError("vrp_* tasks only run through lmms_eval's evaluator.")
    return _running[-1]


def running_or_none() -> Running | None:
    """The running session, or None for an evaluation without our tasks."""
    return _running[-1] if _running else None
