"""From paths to run folders: found, checked against their manifest, read strictly.

Nothing is repaired and nothing is guessed: a run that breaks the format becomes a `Problem` with
the field and the reason, and the other runs are read all the same. Only JSON and Parquet are
opened, never a pickle; array shards are checked by their hash and not loaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leaderboard.runs.bounded import batches_of, read_json, schema_of, values_of
from leaderboard.runs.manifest_fields import check_manifest
from leaderboard.runs.record_checks import check_counts, check_record
from leaderboard.runs.schema import (
    check_columns,
    check_no_nulls,
    check_table,
    check_table_schema,
)
from metrics.core.steps import Progress
from metrics.errors import RecordError
from metrics.record.columns import held, of_task
from metrics.record.held import HeldRecords
from metrics.record.records import (
    MANIFEST_FILE,
    RECORDS_FILE,
    TABLES,
    Column,
    RunManifest,
    SampleRecord,
)

UNFINISHED_FILE = Path("parts") / "run.json"
_T = TypeVar("_T")


# what evaluating made-up content may raise: one such folder must not cost the others
UNEXPECTED = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
    StopIteration,  # by which `map` would end, and leave out the others without a word
)


@dataclass(frozen=True)
class Run:
    """One complete run: its folder, its manifest and its records in stored order."""

    path: Path
    manifest: RunManifest
    records: Sequence[SampleRecord]

    @property
    def model(self) -> str:
        """Name of the model as tables show it."""
        return str(self.manifest.model["name"])

    def columns_of(self, file: str, *, task: str | None = None) -> dict[str, np.ndarray]:
        """Columns of one of `metrics.record.records.TABLES`, of one task or of all.

        Text is of dtype object with None for null, numbers and nullable integers are float64 with
        NaN for null, other integers int64. Every column is empty when the run has no such file.
        Raises RecordError if the table breaks the format.
        """
        if file not in self.manifest.files:
            return {name: np.empty(0, dtype=object) for name in TABLES[file]}
        parts: dict[str, list[np.ndarray]] = {name: [] for name in TABLES[file]}
        for batch in batches_of(self.path / file):
            check_table(file, batch, self.manifest.tasks)
            own = batch if task is None else batch.filter(_equal(batch["task"], task))
            for name, column in TABLES[file].items():
                parts[name].append(_as_array(own[name], column))
        return {
            name: np.concatenate(found) if found else np.empty(0, dtype=object)
            for name, found in parts.items()
        }

    def of_task(self, task: str) -> HeldRecords:
        """Records of one task, in stored order."""
        every = held(self.records)
        return every.where(own == task for own in every.values("task"))


@dataclass(frozen=True)
class Problem:
    """A folder that is not in the tables, and why."""

    path: Path
    status: Literal["incomplete", "damaged", "absent"]
    reason: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.path}: {self.status}: {self.reason}"


def find_run_folders(paths: Sequence[Path]) -> list[Path]:
    """Folders at or below ``paths`` that hold a run, complete or not; each once, sorted.

    Hidden folders and links to folders are passed over; a run folder is not searched further.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for folder, below, _ in os.walk(path):
            here = Path(folder)
            if (here / MANIFEST_FILE).is_file() or (here / UNFINISHED_FILE).is_file():
                found.setdefault(here.resolve(), here)
                below.clear()
            below[:] = sorted(name for name in below if not name.startswith("."))
    return sorted(found.values())


def read_runs(paths: Iterable[Path]) -> Iterator[Run | Problem]:
    """Read every run folder at or below ``paths``, one at a time.

    Parameters
    ----------
    paths : iterable of Path
        Run folders, or folders that hold some at any depth.

    Yields
    ------
    Run or Problem
        A Problem for a path that does not exist, an unfinished run and a damaged one.
    """
    paths = list(paths)
    yield from absent_paths(paths)
    for folder in find_run_folders(paths):
        yield read_or_explain(folder)


def absent_paths(paths: Iterable[Path]) -> list[Problem]:
    """A problem for each path that does not exist."""
    return [Problem(p, "absent", "no such file or folder") for p in paths if not p.exists()]


def read_or_explain(folder: Path) -> Run | Problem:
    """Read one run folder, or say why it cannot be read."""
    return or_explain(folder, read_run)


def or_explain(folder: Path, read: Callable[[Path], _T]) -> _T | Problem:
    """What ``read`` makes of a run folder, or why it cannot."""
    if not (folder / MANIFEST_FILE).is_file():
        reason = f"no {MANIFEST_FILE}: the run has not ended, or was stopped before its end"
        return Problem(folder, "incomplete", reason)
    try:
        return read(folder)
    except (RecordError, OSError, pa.ArrowException) as error:
        return Problem(folder, "damaged", " ".join(str(error).split()))
    except UNEXPECTED as error:
        return Problem(folder, "damaged", unexpected(error))


def unexpected(error: Exception) -> str:
    """What is said of content that no run of ours writes, and that no check names."""
    words = " ".join(str(error).split())
    return f"its content is not that of a run ({type(error).__name__}: {words})"


def read_run(folder: Path) -> Run:
    """Read one complete run folder.

    Parameters
    ----------
    folder : Path
        Holds a manifest and the files it names.

    Returns
    -------
    Run

    Raises
    ------
    RecordError
        If the manifest or a record breaks the format, or a file is not the one that was written.
    """
    return read_records(folder, read_manifest(folder))


def read_manifest(folder: Path) -> RunManifest:
    """Read a run's manifest and check the files that it names, without reading their rows.

    Raises
    ------
    RecordError
        If the manifest breaks the format, a file is not the one that was written, or a table
        beside the records has other columns than declared.
    """
    manifest = RunManifest.from_json(read_json(folder / MANIFEST_FILE))
    check_manifest(manifest)
    check_files(folder, manifest.files)
    for file in TABLES.keys() & manifest.files.keys():
        check_table_schema(file, schema_of(folder / file))
    return manifest


def read_records(
    folder: Path, manifest: RunManifest, *, progress: Progress = lambda done, of: None
) -> Run:
    """Read the records of a run whose manifest has been read.

    ``progress`` is told how many records are read, of how many.

    Raises
    ------
    RecordError
        If a record breaks the format.
    """
    path = folder / RECORDS_FILE
    check_columns(schema_of(path))
    left_out = {task: of_task(manifest.not_offered, task) for task in manifest.tasks}
    of = sum(int(task.get("n_samples", 0)) for task in manifest.tasks.values())
    records = HeldRecords()
    try:
        for batch in batches_of(path):
            check_no_nulls(batch)
            columns = [values_of(column) for column in batch.columns]
            for row in zip(*columns, strict=True):
                named = dict(zip(batch.schema.names, row, strict=True))
                found = SampleRecord.from_row(named, not_offered=left_out.get(named["task"], ()))
                check_record(found, manifest)
                records.append(found)
            progress(len(records), of)
    except (TypeError, KeyError) as error:
        raise RecordError(f"{RECORDS_FILE} cannot be read as records: {error}.") from error
    check_counts(records, manifest)
    return Run(folder, manifest, records)


def _equal(column: pa.Array, task: str) -> pa.Array:
    """Where a text column has this value."""
    return pc.equal(pc.cast(column, pa.string()), task)


def _as_array(values: pa.Array, column: Column) -> np.ndarray:
    if column.kind in ("text", "bytes"):
        return np.array([*values_of(values), None], dtype=object)[:-1]
    if column.kind == "integer" and not column.nullable:
        whole: np.ndarray = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
        return whole
    real: np.ndarray = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
    return real


def check_files(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    """Check that a folder's files are those that its manifest names.

    Raises
    ------
    RecordError
        If one is missing, or has another size or hash; names the file.
    """
    if RECORDS_FILE not in files:
        raise RecordError(f"manifest field files does not name {RECORDS_FILE}.")
    for name, entry in files.items():
        if Path(name).name != name:
            raise RecordError(f"manifest field files names {name!r}, which is no plain file name.")
        path = folder / name
        if not path.is_file():
            raise RecordError(f"the file {name}, which the manifest names, is missing.")
        if "bytes" in entry and path.stat().st_size != entry["bytes"]:
            raise RecordError(
                f"{name} has {path.stat().st_size} bytes; the manifest says {entry['bytes']}."
            )
        digest = sha256_of(path)
        if digest != entry.get("sha256"):
            raise RecordError(
                f"{name} has sha256 {digest[:12]}…; the manifest says "
                f"{str(entry.get('sha256'))[:12]}…: the file was changed after the run."
            )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
