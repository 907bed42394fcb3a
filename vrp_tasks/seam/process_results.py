"""What a task instance says of its documents, served by us while lmms-eval scores them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Score = Callable[[Any, Sequence[Any]], dict[str, Any]]


@contextmanager
def served_process_results(task: Any, around: Callable[[Score], Score]) -> Iterator[None]:
    """Replace the method on the instance alone, by what ``around`` makes of the stock one."""
    task.process_results = around(task.process_results)
    try:
        yield
    finally:
        del task.process_results


@contextmanager
def tolerated_targets(task: Any) -> Iterator[None]:
    """``doc_to_target`` of the instance gives None where it fails: lmms-eval logs it per sample."""
    stock = task.doc_to_target

    def doc_to_target(doc: Any) -> Any:
        try:
            return stock(doc)
        except Exception:  # noqa: BLE001 - of the user's code; whoever scores by it says so
            return None

    task.doc_to_target = doc_to_target
    try:
        yield
    finally:
        del task.doc_to_target


def without_attempts(task: Any) -> Score:
    """The task's own method, called once: lmms-eval tries five times, two seconds apart."""
    method = type(task).process_results
    once = getattr(method, "__wrapped__", method)
    return lambda doc, results: dict(once(task, doc, results))
