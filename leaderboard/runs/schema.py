"""What a stored column and a manifest field may hold, checked before any row is built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from leaderboard.runs.bounded import values_of
from leaderboard.runs.sweep_words import declared_words
from metrics.errors import RecordError
from metrics.record.records import LAYER_PREFIX, SIGNAL_PREFIX, TABLES, Column, RunManifest
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


def check_manifest(manifest: RunManifest) -> None:
    """Check the fields of a manifest that the tables rest on.

    Raises
    ------
    RecordError
        If a field is missing or of another type; names the field.
    """
    for name in (
        "model", "tasks", "settings", "versions", "invalid", "not_offered", "probe", "fits",
        "transfer", "sweeps", "cost", "files", "rescored",
    ):  # fmt: skip
        _require(getattr(manifest, name), name, dict, "an object")
    _require(manifest.command, "command", list, "a list")
    _require(manifest.model.get("name"), "model.name", str, "text")
    if (said := manifest.model.get("geometry_self_test")) is not None:
        _require(said, "model.geometry_self_test", str, "text")
    for field in ("tasks", "files", "probe", "fits"):
        for key, entry in getattr(manifest, field).items():
            _require(entry, f"{field}.{key}", dict, "an object")
    for field, reasons in (("invalid", manifest.invalid), ("not_offered", manifest.not_offered)):
        _require_texts(reasons, field)
    optional = {f"tasks.{task}.threshold": e.get("threshold") for task, e in manifest.tasks.items()}
    measured = ("seconds", "n_samples", "peak_memory_bytes")
    for key in (*measured, "requests", "prompt_tokens", "completion_tokens"):
        optional[f"cost.{key}"] = manifest.cost.get(key)
    optional["model.n_parameters"] = manifest.model.get("n_parameters")
    for name, value in optional.items():
        _require_number(value, name)
    _check_settings(manifest.settings)
    _check_probes(manifest)
    _check_sweeps(manifest)


def _check_sweeps(manifest: RunManifest) -> None:
    for task, found in manifest.sweeps.items():
        _require(found, f"sweeps.{task}", dict, "an object")
        _require(found.get("words", {}), f"sweeps.{task}.words", dict, "an object")
        declared_words(manifest, task)
        _require(found.get("refused", {}), f"sweeps.{task}.refused", dict, "an object")
        _require_texts(found.get("refused", {}), f"sweeps.{task}.refused")


def _check_settings(settings: dict[str, Any]) -> None:
    for key, kind, words in (("k", int, "an integer"), ("model_arguments", dict, "an object")):
        if (value := settings.get(key)) is not None:
            _require(value, f"settings.{key}", kind, words)
    if not 0 <= (settings.get("k") or 0) < 2**63:
        raise RecordError("manifest field settings.k must be a count of samples.")


def _require_texts(reasons: dict[str, Any], field: str) -> None:
    for key, reason in reasons.items():
        _require(reason, f"{field}.{key}", str, "text")


MOST_SHUFFLES = 10_000  # permutations of the labels, of one signal


def _check_fit(found: dict[str, Any], name: str) -> None:
    _require(found.get("repeats"), f"{name}.repeats", int, "an integer")
    _require(found.get("stderr"), f"{name}.stderr", (int, float), "a number")
    for figure in ("stderr", "stderr_within_kind", "stderr_within_answer", "p"):
        _require_number(found.get(figure), f"{name}.{figure}")
        if (found.get(figure) or 0) < 0:
            raise RecordError(f"manifest field {name}.{figure} must not be negative.")
    shuffled = found.get("shuffled") or []
    _require(shuffled, f"{name}.shuffled", list, "a list")
    if len(shuffled) > MOST_SHUFFLES:
        raise RecordError(f"manifest field {name}.shuffled must be of at most {MOST_SHUFFLES}.")
    for value in shuffled:
        _require(value, f"{name}.shuffled", (int, float), "numbers")
        if not 0 <= value <= 1:
            raise RecordError(f"manifest field {name}.shuffled must be of numbers in [0, 1].")


def _check_probes(manifest: RunManifest) -> None:
    for key, fit in manifest.fits.items():
        _check_fit(fit, f"fits.{key}")
    for task, found in manifest.probe.items():
        _check_probe(found, f"probe.{task}")
    if manifest.transfer:
        _check_transfer(manifest.transfer)


# figures of the probe's bars; those from the third on are all there, or in an older run none is
_SPREADS = {
    "leakage": (
        "row_split", "grouped_split", "row_split_sd", "grouped_split_sd", "difference",
        "difference_sd", "n_repeats",
    ),
    "paper": ("auroc", "layer", "auroc_sd", "n_splits"),
}  # fmt: skip


def _require_together(entry: dict[str, Any], figures: Sequence[str], name: str) -> None:
    if len({entry.get(figure) is None for figure in figures}) > 1:
        raise RecordError(f"manifest field {name} must have {', '.join(figures)}, or none of them.")


def _check_probe(found: dict[str, Any], name: str) -> None:
    for part, figures in _SPREADS.items():
        entry = found.get(part)
        if entry is not None:
            _require(entry, f"{name}.{part}", dict, "an object")
            for figure in figures:
                _require_number(entry.get(figure), f"{name}.{part}.{figure}")
            _require_together(entry, figures[2:], f"{name}.{part}")
    _check_figures(found.get("figures", {}), f"{name}.figures")
    own = found.get("probe", found)
    _require(own, f"{name}.probe", dict, "an object")
    layers = own.get("auroc_by_layer")
    if layers is not None:
        _require(layers, f"{name}.auroc_by_layer", list, "a list")
        for value in layers:
            _require_number(value, f"{name}.auroc_by_layer")
    shuffled = found.get("shuffled_label_aurocs")
    if shuffled is not None:
        _require(shuffled, f"{name}.shuffled_label_aurocs", list, "a list")
        for value in shuffled:
            _require_number(value, f"{name}.shuffled_label_aurocs")


def _check_figures(found: dict[str, Any], name: str) -> None:
    """Figures beside fitted signals, by signal."""
    _require(found, name, dict, "an object")
    for signal, figures in found.items():
        _require(figures, f"{name}.{signal}", dict, "an object")
        for figure, value in figures.items():
            _require_number(value, f"{name}.{signal}.{figure}")


def _check_transfer(transfer: dict[str, Any]) -> None:
    tasks, matrix = transfer.get("tasks"), transfer.get("auroc")
    _require(transfer.get("reasons", {}), "transfer.reasons", dict, "an object")
    _require(tasks, "transfer.tasks", list, "a list")
    _require(matrix, "transfer.auroc", list, "a matrix")
    for task in tasks or ():
        _require(task, "transfer.tasks", str, "a list of text")
    for row in (matrix, *(matrix or ())):
        if not isinstance(row, list) or len(row) != len(tasks or ()):
            raise RecordError("manifest field transfer.auroc must have a row and column per task.")
    for row in matrix or ():
        for value in row:
            _require_number(value, "transfer.auroc")


def _require_number(value: object, name: str) -> None:
    """A number or null."""
    if value is None:
        return
    _require(value, name, (int, float), "a number")
    if isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) < MOST):
        raise RecordError(f"manifest field {name} must be a number, got {str(value)[:40]}.")


def _require(value: object, name: str, kind: type | tuple[type, ...], legal: str) -> None:
    if not isinstance(value, kind) or value == "":
        raise RecordError(f"manifest field {name} must be {legal}, got {value!r}.")
