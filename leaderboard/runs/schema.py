"""What a stored column may hold, checked before any row is built."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from leaderboard.runs.bounded import values_of
from metrics.errors import RecordError
from metrics.record.records import LAYER_PREFIX, SIGNAL_PREFIX, TABLES, Column
from metrics.signals import BY_NAME

MOST = 1e38  # of float32, in which models compute
FLAGS = ("correct", "clean_correct", "agrees")

Check = Callable[[pa.DataType], bool]


def _is_text(kind: pa.DataType) -> bool:
    kind = _written_out(kind)
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    kind = _written_out(kind)
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind))


def _written_out(kind: pa.DataType) -> pa.DataType:
    """What a dictionary stands for."""
    return kind.value_type if pt.is_dictionary(kind) else kind


def _is_number(kind: pa.DataType) -> bool:
    return bool(pt.is_floating(kind) or pt.is_integer(kind))


def _is_list_of(item: Check) -> Check:
    def check(kind: pa.DataType) -> bool:
        is_list = pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)
        return bool(is_list and (pt.is_null(kind.value_type) or item(kind.value_type)))

    return check


def _is_missing_entry(kind: pa.DataType) -> bool:
    return bool(pt.is_struct(kind)) and {"name", "reason"} <= {f.name for f in kind}


REQUIRED = ("task", "split", "doc_id", "group", "kind", "prompt", "answer", "normal_answer")
COLUMNS: dict[str, tuple[str, Check]] = {
    **{name: ("text", _is_text) for name in (*REQUIRED, "target", "shard", "image")},
    "score": ("a number", _is_number),
    "correct": ("an integer", pt.is_integer),
    "samples": ("a list of text", _is_list_of(_is_text)),
    "normal_samples": ("a list of text", _is_list_of(_is_text)),
    "missing": ("a list of (name, reason)", _is_list_of(_is_missing_entry)),
    "grid": ("a list of integers", _is_list_of(pt.is_integer)),
    "n_answer_tokens": ("an integer", pt.is_integer),
    "row": ("an integer", pt.is_integer),
}


def check_columns(schema: pa.Schema) -> None:
    """Check names and types of the stored columns; an all-null column may have the null type.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of ``records.parquet``.

    Raises
    ------
    RecordError
        If a column is missing, unknown or of another type; names the column.
    """
    absent = [name for name in COLUMNS if name not in schema.names]
    if absent:
        raise RecordError(f"records lack the column(s) {', '.join(absent)}.")
    for field in schema:
        expected, check = _expected(field.name)
        if pt.is_null(field.type) and field.name not in REQUIRED:
            continue
        if not check(field.type):
            raise RecordError(f"column {field.name} must hold {expected}, got {field.type}.")


def check_no_nulls(table: pa.RecordBatch) -> None:
    """Check that every sample has its identity, question and answer.

    Raises
    ------
    RecordError
        If a required column holds a null; names the column.
    """
    for name in (*REQUIRED, "samples", "normal_samples"):
        if table[name].null_count:
            raise RecordError(
                f"column {name} must not be null, got {table[name].null_count} of {table.num_rows}."
            )


def check_table_schema(file: str, schema: pa.Schema) -> None:
    """Check names and types of one of `metrics.record.records.TABLES`.

    Raises
    ------
    RecordError
        If a column is missing, unknown or of another type; names the column.
    """
    declared = TABLES[file]
    for name in sorted(declared.keys() ^ set(schema.names)):
        what = "lacks the column" if name in declared else "has the unknown column"
        raise RecordError(f"{file} {what} {name}.")
    for name, column in declared.items():
        kind = schema.field(name).type
        if not (_TABLE_CHECKS[column.kind](kind) or (column.nullable and pt.is_null(kind))):
            raise RecordError(f"{file}: column {name} must hold {column.kind}, got {kind}.")


def check_table(
    file: str, rows: pa.RecordBatch | pa.Table, tasks: Collection[str] | None = None
) -> None:
    """Check rows of one of `metrics.record.records.TABLES`: columns, types, nulls and values.

    Raises
    ------
    RecordError
        If a column is not as declared, null where it must not be, not finite, beyond what it can
        be, a flag that is neither 0 nor 1, or of a task that is none of ``tasks`` (where they are
        given); names the column.
    """
    check_table_schema(file, rows.schema)
    for name, column in TABLES[file].items():
        values = rows[name]
        if not column.nullable and values.null_count:
            raise RecordError(f"{file}: column {name} must not be null.")
        if column.kind in ("integer", "number") and values.null_count < len(values):
            _check_numbers(file, name, column, pc.cast(values, pa.float64(), safe=False))
        if name in FLAGS and not set(pc.unique(values).to_pylist()) <= {0, 1, None}:
            raise RecordError(f"{file}: column {name} must be 0, 1 or null.")
        foreign = set(values_of(values)).difference(tasks) if name == "task" and tasks else ()
        if foreign:
            raise RecordError(f"{file} has rows of the task {min(foreign)!r}, which the run lacks.")


def _check_numbers(file: str, name: str, column: Column, values: pa.Array) -> None:
    if pc.all(pc.is_finite(values)).as_py() is False:
        raise RecordError(f"{file}: column {name} must be finite.")
    least, most = (bound.as_py() for bound in pc.min_max(values).values())
    low, high = column.bounds
    if not low <= least or not most <= high:
        found = least if not low <= least else most
        raise RecordError(
            f"{file}: column {name} must be between {low:g} and {high:g}, got {found:g}."
        )


_TABLE_CHECKS: dict[str, Check] = {
    "text": _is_text,
    "integer": pt.is_integer,
    "number": _is_number,
    "bytes": _is_bytes,
}


def _expected(name: str) -> tuple[str, Check]:
    if name in COLUMNS:
        return COLUMNS[name]
    if name.startswith(LAYER_PREFIX):
        return "a list of numbers", _is_list_of(_is_number)
    if not name.startswith(SIGNAL_PREFIX):
        raise RecordError(f"records have the unknown column {name}.")
    signal = name.removeprefix(SIGNAL_PREFIX)
    if signal not in BY_NAME:
        close = get_close_matches(signal, BY_NAME, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise RecordError(f"column {name} is no declared signal (metrics.signals).{hint}")
    return "a number", _is_number
