"""Many records at once: a column per signal, and what a manifest says of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from metrics.record.records import SampleRecord

T = TypeVar("T")


def of_task(entries: Mapping[str, T], task: str) -> dict[str, T]:
    """Signal -> entry of one task, from a manifest's mapping of "task:signal"."""
    prefix = f"{task}:"
    return {k.removeprefix(prefix): v for k, v in entries.items() if k.startswith(prefix)}


def signal_columns(records: Sequence[SampleRecord]) -> dict[str, np.ndarray]:
    """Each signal's values over the records, float64 (n,), NaN where missing."""
    names = dict.fromkeys(name for record in records for name in record.signals)
    return {name: column([record.signals.get(name) for record in records]) for name in names}


def column(values: Sequence[float | None]) -> np.ndarray:
    """Values as float64 (n,), NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
