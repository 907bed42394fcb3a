"""The stored channels of many records, read a file at a time.

This room opens no file: whoever reads or writes run folders hands over a function that does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from metrics.errors import RecordError
from metrics.record.channels import Array, Channel
from metrics.record.held import HeldRecords
from metrics.record.shards import SHAPES, spans

C = TypeVar("C", bound=Channel)


class Located(Protocol):
    """A record, or anything that says where a sample's channels are."""

    @property
    def shard(self) -> str | None: ...  # noqa: D102
    @property
    def row(self) -> int | None: ...  # noqa: D102


class Columns(Protocol):
    """One array file, opened: its columns, or parts of them, as ``safetensors.safe_open`` has them.

    A slice has ``get_shape()``, and ``[start:stop]`` reads a part.
    """

    def keys(self) -> Sequence[str]: ...  # noqa: D102
    def get_tensor(self, key: str) -> Array: ...  # noqa: D102
    def get_slice(self, key: str) -> Any: ...  # noqa: ANN401, D102


class ChannelStore:
    """Channels by record.

    Parameters
    ----------
    open_shard : callable
        Name of a shard -> its columns; raises RecordError for one that may not be read.
    """

    def __init__(self, open_shard: Callable[[str], Columns]) -> None:
        self._open = open_shard

    def array(
        self, channel: type[Channel], field: str, records: Sequence[Located]
    ) -> list[Array | None]:
        """One field of a channel of every record; None where a record lacks it."""
        found: list[Array | None] = [None] * len(records)
        for column, rows, shapes, places in self._columns(f"{channel.name}.{field}", records):
            for index, row in rows:
                place = places[row]
                if place is not None:
                    found[index] = column[slice(*place)].reshape(shapes[row])
        return found

    def holds(self, channel: type[Channel], records: Sequence[Located]) -> bool:
        """Whether an array file of these records has anything of a channel."""
        keys = {f"{channel.name}.{field.name}" for field in fields(channel)}
        return any(keys & set(self._open(shard).keys()) for shard in _by_shard(records))

    def channels(
        self, kinds: Iterable[type[Channel]], records: Sequence[Located]
    ) -> list[dict[str, Channel]]:
        """Channels of these kinds of every record, by name; without those that it lacks.

        Raises RecordError for a channel of which only a part is stored.
        """
        found: list[dict[str, Channel]] = [{} for _ in records]
        for kind in kinds:
            columns = [self.array(kind, field.name, records) for field in fields(kind)]
            for own, values in zip(found, zip(*columns, strict=True), strict=True):
                absent = [value is None for value in values]
                if any(absent) and not all(absent):
                    raise RecordError(f"a part only of {kind.name} is stored for a sample.")
                if not any(absent):
                    own[kind.name] = kind(*values)
        return found

    def where(
        self, channel: type[Channel], field: str, records: Sequence[Located]
    ) -> NDArray[np.bool_]:
        """Whether each record has a channel, shape (n,); no value is read."""
        found = np.zeros(len(records), dtype=bool)
        for _, rows, _, places in self._columns(f"{channel.name}.{field}", records):
            for index, row in rows:
                found[index] = places[row] is not None
        return found

    def stacked(
        self, channel: type[Channel], field: str, records: Sequence[Located]
    ) -> Array | None:
        """One field of the records that have it, float32 (n_there, …); None if all lack it.

        Of those that `where` says, in their order: a record without it takes no memory. For fields
        of one shape. Raises RecordError if rows differ in shape.
        """
        there = self.where(channel, field, records)
        if not there.any():
            return None
        target = np.cumsum(there) - 1
        stack: Array | None = None
        for column, rows, shapes, places in self._columns(f"{channel.name}.{field}", records):
            for index, row in rows:
                place = places[row]
                if place is None:
                    continue
                value = column[slice(*place)].reshape(shapes[row])
                if stack is None:
                    stack = np.empty((int(there.sum()), *value.shape), np.float32)
                if value.shape != stack.shape[1:]:
                    raise RecordError(
                        f"{channel.name}.{field} differs in shape between samples: "
                        f"{value.shape} and {stack.shape[1:]}."
                    )
                stack[target[index]] = value
        return stack

    def _columns(
        self, key: str, records: Sequence[Located]
    ) -> Iterator[tuple[Any, list[tuple[int, int]], Array, list[tuple[int, int] | None]]]:
        """Of each file that has a column: it, (record, row) there, and shape and place of rows."""
        for shard, rows in _by_shard(records).items():
            columns = self._open(shard)
            if key + SHAPES not in columns.keys():  # noqa: SIM118 - no mapping
                continue
            if key not in columns.keys():  # noqa: SIM118
                raise RecordError(f"{shard} lacks {key}, of which it has the shapes.")
            shapes, column = columns.get_tensor(key + SHAPES), columns.get_slice(key)
            size = math.prod(column.get_shape())
            if not size:  # of empty rows alone; safetensors slices nothing out of nothing
                column = columns.get_tensor(key)
            places = spans(key, shapes, size)
            for _, row in rows:
                if not 0 <= row < len(places):
                    raise RecordError(f"{shard} has no row {row}.")
            yield column, rows, shapes, places


def _by_shard(records: Sequence[Located]) -> Mapping[str, list[tuple[int, int]]]:
    """Shard -> (index of the record, its row there)."""
    rows: dict[str, list[tuple[int, int]]] = {}
    places: Iterable[tuple[str | None, int | None]]
    if isinstance(records, HeldRecords):
        places = zip(records.values("shard"), records.values("row"), strict=True)
    else:
        places = ((record.shard, record.row) for record in records)
    for index, (shard, row) in enumerate(places):
        if shard is not None and row is not None:
            rows.setdefault(shard, []).append((index, row))
    return rows
