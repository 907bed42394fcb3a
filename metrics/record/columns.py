"""Many records at once: a column per signal, and what a manifest says of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from metrics.record.held import HeldRecords
from metrics.record.joined import Joined
from metrics.record.records import SampleRecord

T = TypeVar("T")


def of_task(entries: Mapping[str, T], task: str) -> dict[str, T]:
    """Signal -> entry of one task, from a manifest's mapping of "task:signal"."""
    prefix = f"{task}:"
    return {k.removeprefix(prefix): v for k, v in entries.items() if k.startswith(prefix)}


def signal_columns(records: Sequence[SampleRecord]) -> dict[str, np.ndarray]:
    """Each signal's values over the records, float64 (n,), NaN where missing."""
    if isinstance(records, HeldRecords):
        return {name: records.signal(name) for name in records.signal_names()}
    return {
        name: column([record.signals.get(name) for record in records]) for name in names_of(records)
    }


def column(values: Sequence[float | None]) -> np.ndarray:
    """Values as float64 (n,), NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def names_of(records: Sequence[SampleRecord]) -> list[str]:
    """Names of the signals of all records, in the order in which they come."""
    if isinstance(records, HeldRecords | Joined):
        return records.signal_names()
    return list(dict.fromkeys(name for record in records for name in record.signals))


def values_of(records: Sequence[SampleRecord], field: str) -> list[Any]:
    """One field of all records; of held ones without making any."""
    if isinstance(records, HeldRecords | Joined):
        return records.values(field)
    return [getattr(record, field) for record in records]


def held(records: Sequence[SampleRecord]) -> HeldRecords:
    """The records, held in columns."""
    return records if isinstance(records, HeldRecords) else HeldRecords(records)


def labelled_of(records: Sequence[SampleRecord]) -> HeldRecords:
    """Those that have a label."""
    every = held(records)
    return every.where(label is not None for label in every.values("correct"))
