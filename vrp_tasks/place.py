"""Which document is meant: its name, and the one that is being scored in this thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from sys import intern
from typing import Any, Generic, NamedTuple, TypeVar

from metrics.record.columns import values_of
from metrics.record.records import SampleRecord

T = TypeVar("T")


class Place(NamedTuple):
    """A document: task, split and row number as a string."""

    task: str
    split: str
    doc_id: str


class ByPlace(Generic[T]):
    """Something of many documents, in little memory: no place is held, and of a name one copy."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, T]] = {}  # task and split -> document

    def __setitem__(self, place: Place, value: T) -> None:
        task, split, doc_id = place
        self._found.setdefault((task, split), {})[intern(doc_id)] = value

    def get(self, place: Place) -> T | None:
        """That of a document; None if it has none."""
        return self._found.get((place.task, place.split), {}).get(place.doc_id)

    def of_task(self, task: str) -> Iterator[tuple[Place, T]]:
        """Those of a task, with their places, one at a time."""
        for (own, split), values in self._found.items():
            if own == task:
                for doc_id, value in values.items():
                    yield Place(task, split, doc_id), value


def place_of(request: Any) -> Place:
    """Of a request of lmms-eval, simple or chat."""
    return Place(request.args[4], request.args[5], str(request.doc_id))


def place_of_record(record: SampleRecord) -> Place:
    """Of a record."""
    return Place(record.task, record.split, record.doc_id)


def places_of(records: Sequence[SampleRecord]) -> Iterator[Place]:
    """Of many records."""
    return map(Place, *(values_of(records, name) for name in Place._fields))


_scored: ContextVar[Place | None] = ContextVar("place", default=None)


@contextmanager
def at_place(place: Place) -> Iterator[None]:
    """Inside the block (of this thread) this document is being scored."""
    token = _scored.set(place)
    try:
        yield
    finally:
        _scored.reset(token)


def current_place() -> Place | None:
    """The document that is being scored in this thread; None where nobody said."""
    return _scored.get()
