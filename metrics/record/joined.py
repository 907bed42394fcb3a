"""Records of several tasks as one sequence, without a copy of any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from metrics.record.held import HeldRecords
from metrics.record.records import SampleRecord


class Joined(Sequence[SampleRecord]):
    """Records of several tasks.

    Parameters
    ----------
    parts : sequence of HeldRecords
        One after another.
    order : int array, optional
        Which of them stands at each place, where that is another order.
    """

    def __init__(
        self, parts: Sequence[HeldRecords], order: NDArray[np.int64] | None = None
    ) -> None:
        self._parts, self._order = parts, order
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, at: int) -> SampleRecord: ...
    @overload
    def __getitem__(self, at: slice) -> list[SampleRecord]: ...
    def __getitem__(self, at: int | slice) -> SampleRecord | list[SampleRecord]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at += len(self) if at < 0 else 0
        row = at if self._order is None else int(self._order[at])
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self._parts[part][row - int(self._ends[part]) + len(self._parts[part])]

    def __iter__(self) -> Iterator[SampleRecord]:
        if self._order is None:
            for part in self._parts:
                yield from part
        else:
            for at in range(len(self)):
                yield self[at]

    def values(self, field: str) -> list[Any]:
        """One field of all records, as `HeldRecords.values`."""
        found = list(chain.from_iterable(part.values(field) for part in self._parts))
        return found if self._order is None else [found[i] for i in self._order.tolist()]

    def signal_names(self) -> list[str]:
        """Of all records."""
        return list(dict.fromkeys(n for part in self._parts for n in part.signal_names()))

    def layer_names(self) -> list[str]:
        """Of all records."""
        return list(dict.fromkeys(n for part in self._parts for n in part.layer_names()))
