"""Which document is meant: its name, and the one that is being scored in this thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from metrics.record.columns import values_of
from metrics.record.records import SampleRecord


class Place(NamedTuple):
    """A document: task, split and row number as a string."""

    task: str
    split: str
    doc_id: str


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
