"""What a parquet file claims to hold, read from its footer before a decoder believes it.

pyarrow ends the process on some footers when it is asked for a column's sizes, so the few numbers
that are needed are read here: the footer is a struct in Thrift's compact protocol
(parquet-format, ``parquet.thrift``), of which every field has a number.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from metrics.errors import RecordError

MOST_FOOTER = 16 * 2**20
_MAGIC = b"PAR1"
_DEEP = 12
# numbers of fields: FileMetaData, RowGroup, ColumnChunk, ColumnMetaData
_ROW_GROUPS, _COLUMNS, _META, _VALUES, _UNCOMPRESSED = 4, 1, 3, 5, 6
_ROWS = 3


def claimed_bytes(path: Path) -> int:
    """Bytes that a file says it becomes in memory: its values at 8 each, or its pages.

    Raises
    ------
    RecordError
        If it is no parquet file.
    """
    try:
        footer = _Compact(_footer(path)).struct(0)
        groups = footer[_ROW_GROUPS]
        chunks = [column[_META] for group in groups for column in group[_COLUMNS]]
        values = sum(_count(chunk[_VALUES]) for chunk in chunks)
        pages = sum(_count(chunk[_UNCOMPRESSED]) for chunk in chunks)
        rows = max(_count(footer[_ROWS]), sum(_count(group[_ROWS]) for group in groups))
        width = max((len(group[_COLUMNS]) for group in groups), default=0)
    except (LookupError, TypeError, ValueError, struct.error) as error:
        raise RecordError(f"{path.name} is no parquet file that can be read.") from error
    return max(8 * values, pages, 8 * rows * width)


def _footer(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-8, 2)
        size, magic = struct.unpack("<I4s", file.read(8))
        if magic != _MAGIC or not 0 < size <= min(MOST_FOOTER, path.stat().st_size - 8):
            raise ValueError("no footer")
        file.seek(-8 - size, 2)
        return file.read(size)


def _count(value: Any) -> int:  # noqa: ANN401 -- whatever stands there
    if not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value


class _Compact:
    """Reads Thrift's compact protocol: structs as dicts of field number -> value."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Fields up to the stop."""
        if depth > _DEEP:
            raise ValueError("too deep")
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._signed()
            found[number] = self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:  # noqa: ANN401 -- by its kind
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._take(8)
        if kind == 8:
            return self._take(self._unsigned())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError("a kind that no footer has")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        size = self._unsigned() if size == 15 else size
        if size > len(self._data) - self._at:
            raise ValueError("more entries than bytes")
        if kind in (1, 2):  # in a list a truth value has a byte of its own
            return [self._byte() for _ in range(size)]
        return [self._value(kind, depth + 1) for _ in range(size)]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise ValueError("cut short")
        self._at += size
        return found

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number without an end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
