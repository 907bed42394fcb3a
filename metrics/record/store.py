"""The stored channels of many records, read a file at a time.

This room opens no file: whoever reads or writes run folders hands over a function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from metrics.errors import RecordError
from metrics.record.channels import Array, Channel
from metrics.record.shards import SHAPES, spans

C = TypeVar("C", bound=Channel)


class Located(Protocol):
    """A record, or anything that says where a sample's channels are."""

    @property
    def shard(self) -> str | None: ...  # noqa: D102
    @property
    def row(self) -> int | None: ...  # noqa: D102


class Columns(Protocol):
    """One array file, opened: its columns, or parts of them."""

    def keys(self) -> Sequence[str]: ...  # noqa: D102
    def whole(self, key: str) -> Array: ...  # noqa: D102
    def part(self, key: str, start: int, stop: int) -> Array: ...  # noqa: D102


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
        key = f"{channel.name}.{field}"
        found: list[Array | None] = [None] * len(records)
        for shard, rows in _by_shard(records).items():
            columns = self._open(shard)
            if key + SHAPES not in columns.keys():  # noqa: SIM118 - no mapping
                continue
            shapes = columns.whole(key + SHAPES)
            places = spans(key, shapes, None)
            for index, row in rows:
                if not 0 <= row < len(places):
                    raise RecordError(f"{shard} has no row {row}.")
                place = places[row]
                if place is not None:
                    found[index] = _shaped(columns.part(key, *place), shapes[row], key)
        return found

    def stacked(
        self, channel: type[Channel], field: str, records: Sequence[Located]
    ) -> Array | None:
        """One field of every record as float32 (n, …), NaN where absent; None if all lack it.

        For fields of one shape. Raises RecordError if rows differ in shape.
        """
        rows = self.array(channel, field, records)
        shapes = {row.shape for row in rows if row is not None}
        if len(shapes) > 1:
            raise RecordError(f"{channel.name}.{field} differs in shape between samples: {shapes}.")
        if not shapes:
            return None
        nothing = np.full(shapes.pop(), np.nan, np.float32)
        return np.stack([nothing if row is None else row.astype(np.float32) for row in rows])

    def channels(
        self, kinds: Sequence[type[Channel]], records: Sequence[Located]
    ) -> list[dict[str, Channel]]:
        """Some channels of every record; those a record lacks are not there."""
        found: list[dict[str, Channel]] = [{} for _ in records]
        for kind in kinds:
            fields = {f: self.array(kind, f, records) for f in kind.__dataclass_fields__}
            for index, own in enumerate(found):
                arrays = {name: rows[index] for name, rows in fields.items()}
                present = {name: value for name, value in arrays.items() if value is not None}
                if present:
                    own[kind.name] = kind.of_arrays(present)
        return found


def _shaped(values: Array, shape: Array, key: str) -> Array:
    try:
        return values.reshape(shape)
    except ValueError:
        raise RecordError(f"{key} has fewer values than its shapes say.") from None


def _by_shard(records: Sequence[Located]) -> Mapping[str, list[tuple[int, int]]]:
    """Shard -> (index of the record, its row there)."""
    rows: dict[str, list[tuple[int, int]]] = {}
    for index, record in enumerate(records):
        if record.shard is not None and record.row is not None:
            rows.setdefault(record.shard, []).append((index, record.row))
    return rows
