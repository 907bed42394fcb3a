"""Channels of many answers as the columns of one array file, and back.

Every field of every channel is one column ``<channel>.<field>``: the rows' values one after
another, and ``<channel>.<field>.shapes``, one row each, which says how to cut them; a first entry
of −1 marks an answer that lacks the channel. So rows may differ in shape, and one of them can be
read without the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from metrics.errors import RecordError
from metrics.record.channels import BY_NAME, Array, Channel

SHAPES = ".shapes"
ABSENT = -1


def pack(rows: Sequence[Mapping[str, Channel]]) -> dict[str, Array]:
    """Return the columns of some answers' channels; channels that are not kept are left out."""
    columns: dict[str, Array] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if not BY_NAME[name].kept:
            continue
        arrays = [row[name].arrays() if name in row else None for row in rows]
        for field in next(own for own in arrays if own is not None):
            values = [None if own is None else own[field] for own in arrays]
            columns |= _column(f"{name}.{field}", values)
    return columns


def _column(key: str, values: list[Array | None]) -> dict[str, Array]:
    there = [np.asarray(value) for value in values if value is not None]
    shapes = np.full((len(values), there[0].ndim), ABSENT, np.int64)
    for row, value in enumerate(values):
        if value is not None:
            shapes[row] = np.shape(value)
    flat = np.concatenate([np.ascontiguousarray(value).ravel() for value in there])
    return {key: flat, key + SHAPES: shapes}


def spans(key: str, shapes: Array, size: int | None) -> list[tuple[int, int] | None]:
    """Return where each row's values stand in a column of ``size`` values, None where absent.

    ``size`` is None where the column is not read whole. Raises RecordError if the shapes are not
    those of such a column.
    """
    if shapes.ndim != 2 or not shapes.shape[1] or shapes.dtype.kind != "i":
        raise RecordError(f"{key}{SHAPES} must be whole numbers, one row per answer.")
    present = shapes[:, 0] != ABSENT
    largest = np.inf if size is None else max(size, 1)
    if (shapes[present] < 0).any() or (shapes[present] > largest).any():
        raise RecordError(f"{key}{SHAPES} holds sizes that cannot be.")
    lengths = np.where(present, shapes.clip(min=0).prod(axis=1), 0)
    ends = np.cumsum(lengths)
    if size is not None and (int(ends[-1]) if ends.size else 0) != size:
        raise RecordError(
            f"{key} has {size} values, its shapes say {ends[-1] if ends.size else 0}."
        )
    return [
        (int(end - length), int(end)) if there else None
        for end, length, there in zip(ends, lengths, present, strict=True)
    ]


def unpack(columns: Mapping[str, Array]) -> list[dict[str, Channel]]:
    """Rebuild the channels of every answer from a file's columns.

    Raises RecordError for columns that no `pack` writes. Channels of a later version, whose name
    is not known, are passed over.
    """
    fields: dict[str, dict[str, list[Array | None]]] = {}
    for key in columns:
        channel, _, field = key.removesuffix(SHAPES).partition(".")
        if key.endswith(SHAPES) and channel in BY_NAME:
            fields.setdefault(channel, {})[field] = rows_of(columns, f"{channel}.{field}")
    n_rows = {len(rows) for own in fields.values() for rows in own.values()}
    if len(n_rows) > 1:
        raise RecordError(f"the columns of one file differ in their number of rows: {n_rows}.")
    found: list[dict[str, Channel]] = [{} for _ in range(n_rows.pop() if n_rows else 0)]
    for name, own in fields.items():
        for row, channels in enumerate(found):
            arrays = {field: rows[row] for field, rows in own.items()}
            present = {field: value for field, value in arrays.items() if value is not None}
            if present:
                channels[name] = _rebuilt(name, present)
    return found


def rows_of(columns: Mapping[str, Array], key: str) -> list[Array | None]:
    """Return one column cut into its rows; RecordError if it is not there or broken."""
    if key not in columns or key + SHAPES not in columns:
        raise RecordError(f"an array file lacks {key} or its shapes.")
    flat, shapes = columns[key], columns[key + SHAPES]
    places = spans(key, shapes, flat.size)
    return [
        None if place is None else flat[slice(*place)].reshape(shape)
        for place, shape in zip(places, shapes, strict=True)
    ]


def _rebuilt(name: str, arrays: dict[str, Array]) -> Channel:
    try:
        return BY_NAME[name].of_arrays(arrays)
    except TypeError as error:
        raise RecordError(f"the stored channel {name} has other fields: {error}.") from None
