"""Channels of many answers as the columns of one array file.

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


def spans(key: str, shapes: Array, size: int) -> list[tuple[int, int] | None]:
    """Return where each row's values stand in a column of ``size`` values, None where absent.

    Raises RecordError if the shapes are not those of such a column.
    """
    if shapes.ndim != 2 or not shapes.shape[1] or shapes.dtype.kind != "i":
        raise RecordError(f"{key}{SHAPES} must be whole numbers, one row per answer.")
    present = shapes[:, 0] != ABSENT
    if (shapes[present] < 0).any() or (shapes[present] > max(size, 1)).any():
        raise RecordError(f"{key}{SHAPES} holds sizes that cannot be.")
    lengths = np.where(present, shapes.clip(min=0).prod(axis=1), 0)
    ends = np.cumsum(lengths)
    if (int(ends[-1]) if ends.size else 0) != size:
        raise RecordError(
            f"{key} has {size} values, its shapes say {ends[-1] if ends.size else 0}."
        )
    return [
        (int(end - length), int(end)) if there else None
        for end, length, there in zip(ends, lengths, present, strict=True)
    ]
