"""Files of strangers, read within limits: what a file claims, and what it becomes in memory.

A file of a few kilobytes may say that it holds gigabytes, and a decoder would believe it. So what
is decoded may be so many times the file, beside a size that nothing needs; a run of ours is far
from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from leaderboard.runs.footer import claimed_bytes
from metrics.errors import RecordError

MOST_JSON = 64 * 2**20  # bytes of a manifest
MOST_DEPTH = 40  # of its objects and lists; ours have 8
MOST_DIGITS = 40
FREE = 64 * 2**20  # bytes in memory that any file may become
TIMES = 200  # and so many times its own size; our tables have up to 30
ROWS_AT_ONCE = 1024


def read_json(path: Path) -> Any:  # noqa: ANN401 -- any JSON type
    """Parse a JSON file.

    Raises
    ------
    RecordError
        If it is no JSON, holds NaN, infinity or half a surrogate pair, or is beyond the limits.
    """
    if (size := path.stat().st_size) > MOST_JSON:
        raise RecordError(f"{path.name} has {size} bytes, more than {MOST_JSON}.")
    try:
        data = json.loads(
            path.read_text("utf-8"),
            parse_constant=partial(_refuse, path.name),
            parse_int=partial(_integer, path.name),
            parse_float=partial(_number, path.name),
        )
        json.dumps(data, ensure_ascii=False).encode()  # half of a surrogate pair: not writable
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path.name} is not JSON: {error}.") from error
    if _is_deeper(data, MOST_DEPTH):
        raise RecordError(f"{path.name} is nested more than {MOST_DEPTH} deep.")
    return data


def _refuse(name: str, constant: str) -> NoReturn:
    raise RecordError(f"{name} holds {constant[:40]}; a missing value must be null.")


def _integer(name: str, digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise RecordError(f"{name} holds a number of {len(digits)} digits.")
    return int(digits)


def _number(name: str, text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(name, text)


def _is_deeper(data: object, depth: int) -> bool:
    level = [data]
    for _ in range(depth):
        level = [
            inner
            for own in level
            if isinstance(own, dict | list)
            for inner in (own.values() if isinstance(own, dict) else own)
        ]
        if not level:
            return False
    return True


def schema_of(path: Path) -> pa.Schema:
    """Columns of a parquet file; RecordError if it claims more than a file of its size may."""
    _check_claims(path)
    return pq.read_schema(path, memory_map=False)


def batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    """Rows of a parquet file, some at a time; texts as dictionaries, as they are stored.

    Raises
    ------
    RecordError
        If it claims, or becomes in memory, more than a file of its size may, or a text is not
        UTF-8.
    """
    _check_claims(path)
    most = _most(path)
    with pq.ParquetFile(path, memory_map=False) as file:
        columns = [file.metadata.schema.column(i) for i in range(file.metadata.num_columns)]
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    became = 0
    with pq.ParquetFile(path, memory_map=False, read_dictionary=texts) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
            became += sum(map(_size, batch.columns))
            if became > most:
                raise _too_large(path, became)
            batch.validate(full=True)
            yield batch


def _most(path: Path) -> int:
    return FREE + TIMES * path.stat().st_size


def _too_large(path: Path, became: int) -> RecordError:
    size = path.stat().st_size
    return RecordError(
        f"{path.name} has {size} bytes and holds {became} or more: no table of a run does."
    )


def _check_claims(path: Path) -> None:
    """Before anything is decoded."""
    if (claimed := claimed_bytes(path)) > _most(path):
        raise _too_large(path, claimed)


def _size(values: pa.Array) -> int:
    """Bytes of an array's values once they are written out; a repeated text counts each time."""
    if pt.is_dictionary(values.type):
        if not len(values.dictionary):
            return 8 * len(values)
        lengths = pc.binary_length(values.dictionary).fill_null(0)
        total = pc.sum(lengths.take(values.indices.fill_null(0)).cast(pa.int64())).as_py()
        return 8 * len(values) + (total or 0)
    if pt.is_struct(values.type):
        return sum(_size(values.field(i)) for i in range(values.type.num_fields))
    if pt.is_list(values.type) or pt.is_large_list(values.type):
        return 8 * len(values) + _size(values.flatten())
    return max(8 * len(values), int(values.nbytes))


def values_of(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Python values of an array; equal texts of a dictionary are one object.

    Raises RecordError for a text that is not UTF-8.
    """
    try:
        if isinstance(values, pa.Array) and pt.is_dictionary(values.type):
            words = values.dictionary.to_pylist()
            return [None if i is None else words[i] for i in values.indices.to_pylist()]
        found: list[Any] = values.to_pylist()
    except UnicodeDecodeError as error:
        raise RecordError(f"a text is not UTF-8: {error}.") from error
    return found
