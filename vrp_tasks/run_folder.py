"""Writes a run folder (`metrics.records`) as the run goes, and takes up an unfinished one.

Each rank writes parts: an array shard and, after it, the JSON lines that refer to it, both put in
place by a rename. `finish` turns the parts into ``records.parquet`` and writes the manifest last.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from filelock import FileLock
from loguru import logger
from safetensors import safe_open
from safetensors.numpy import save_file

from metrics.records import (
    IMAGES_FILE,
    MANIFEST_FILE,
    RAGGED,
    RECORDS_FILE,
    TABLES,
    RunManifest,
    SampleRecord,
)
from vrp_tasks.errors import SetupError
from vrp_tasks.fingerprint import differences

_PARTS = "parts"
_RUN = "run.json"
_SUFFIX = "_vrp"


class Located(Protocol):
    """A record, or anything that says where a sample's arrays are."""

    @property
    def shard(self) -> str | None: ...  # noqa: D102
    @property
    def row(self) -> int | None: ...  # noqa: D102
    @property
    def grid(self) -> list[int] | None: ...  # noqa: D102


class _RunLock(FileLock):
    """lmms-eval makes FileLock itself reentrant within a process; a run has one writer."""


class RunFolder:
    """One run's folder, opened for writing by one rank."""

    def __init__(self, path: Path, *, rank: int) -> None:
        self.path, self.rank = path, rank
        self._hold: Any = None
        self.parts = path / _PARTS
        self._n_parts = len(list(self.parts.glob(f"{rank}-*.jsonl")))

    @classmethod
    def create(
        cls, base: Path, *, stamp: str, fingerprint: dict[str, Any], rank: int = 0
    ) -> RunFolder:
        """Start a run below ``base``, or go on with an unfinished one of the same fingerprint.

        A folder that another process is writing to is left alone, and so is an unfinished one of
        another fingerprint: a line says in what the latest such one differs. Raises SetupError if
        ``base`` cannot be written to.
        """
        check_writable(base)
        left: tuple[Path, list[str]] | None = None
        for path in sorted(base.glob(f"*{_SUFFIX}"), reverse=True):
            began_as = _unfinished(path)
            if began_as is None or (lock := _lock(path)) is None:
                continue
            if began_as == fingerprint:
                folder = cls(path, rank=rank)
                folder._hold = lock
                return folder
            _unlock(lock)
            left = left or (path, differences(began_as, fingerprint))
        if left is not None:
            logger.info(
                f"A new run is started: the unfinished one in {left[0]} was made with other "
                f"{'; '.join(left[1])}."
            )
        path = base / f"{stamp}{_SUFFIX}"
        for number in range(2, 1000):
            if not path.exists():
                break
            path = base / f"{stamp}-{number}{_SUFFIX}"
        (path / _PARTS).mkdir(parents=True)
        folder = cls(path, rank=rank)
        folder._hold = _lock(path)
        _write(folder.parts / _RUN, json.dumps(fingerprint, indent=1, sort_keys=True))
        return folder

    def add(self, payloads: list[dict[str, Any]], arrays: list[dict[str, np.ndarray]]) -> None:
        """Write one part: the payloads' ``shard`` and ``row`` are filled in.

        Parameters
        ----------
        payloads : list of dict
            JSON-ready captures, one per sample.
        arrays : list of dict of array
            Each sample's arrays, without the row axis. A sample may lack any of them.
        """
        number, self._n_parts = self._n_parts, self._n_parts + 1
        shard = f"arrays-{self.rank}-{number}.safetensors"
        columns = _stack_rows(arrays)
        if columns:
            partial = self.path / f"{shard}.partial"
            save_file(columns, partial)
            partial.chmod(0o644)
            partial.replace(self.path / shard)
        for row, (payload, own) in enumerate(zip(payloads, arrays, strict=True)):
            payload["shard"], payload["row"] = (shard, row) if own else (None, None)
        lines = [json.dumps(payload, allow_nan=False) for payload in payloads]
        _write(self.parts / f"{self.rank}-{number}.jsonl", "\n".join(lines) + "\n")

    def add_rows(self, file: str, rows: list[dict[str, Any]]) -> None:
        """Write rows of one of `metrics.records.TABLES`; they are there once this returns.

        Parameters
        ----------
        file : str
            Name of the table.
        rows : list of dict
            One per row; every column of the table is a key. Bytes are allowed.
        """
        if not rows:
            return
        number = len(list(self.parts.glob(f"{file}.{self.rank}-*.arrow")))
        path = self.parts / f"{file}.{self.rank}-{number}.arrow"
        partial = path.with_name(path.name + ".partial")
        feather.write_feather(pa.Table.from_pylist(rows, schema=_schema_of(file)), partial)
        partial.replace(path)

    def rows(self, file: str) -> list[dict[str, Any]]:
        """Rows of a table so far, of every rank."""
        return [row for part in self._row_parts(file) for row in part.to_pylist()]

    def _row_parts(self, file: str) -> list[pa.Table]:
        return [
            feather.read_table(part, memory_map=False)
            for part in sorted(self.parts.glob(f"{file}.*.arrow"))
        ]

    def _write_tables(self) -> None:
        for file in TABLES:
            parts = self._row_parts(file)
            if parts:
                whole = pa.concat_tables(parts)
                if file == IMAGES_FILE:  # several ranks may have met the same image
                    whole = whole.group_by("sha256", use_threads=False).aggregate(
                        [(name, "first") for name in whole.schema.names if name != "sha256"]
                    )
                    whole = whole.rename_columns(
                        [n.removesuffix("_first") for n in whole.schema.names]
                    )
                partial = self.path / f"{file}.partial"
                pq.write_table(whole, partial, compression="zstd")
                partial.replace(self.path / file)

    def captured(self) -> list[dict[str, Any]]:
        """Payloads of all parts so far, of every rank."""
        payloads = []
        for part in sorted(self.parts.glob("*.jsonl")):
            payloads += [json.loads(line) for line in part.read_text("utf-8").splitlines()]
        return payloads

    def rows_of(self, name: str, records: Sequence[Located]) -> np.ndarray | None:
        """Array ``name`` of every record, float32 (n, …), NaN where a record lacks it.

        None when no record has it.
        """
        found: dict[int, np.ndarray] = {}
        for shard, rows in _by_shard(records).items():
            with safe_open(self.path / shard, "numpy") as file:
                if name not in file.keys():  # noqa: SIM118 - not a mapping
                    continue
                stored, present = file.get_tensor(name), file.get_tensor(f"{name}.present")
            found |= {i: stored[row].astype(np.float32) for i, row in rows if present[row]}
        if not found:
            return None
        like = next(iter(found.values()))
        nothing = np.full_like(like, np.nan)
        return np.stack([found.get(i, nothing) for i in range(len(records))])

    def maps_of(self, records: Sequence[Located]) -> list[np.ndarray | None]:
        """Attention maps of every record, float32 (n_layers, height, width), None where absent."""
        maps: list[np.ndarray | None] = [None] * len(records)
        for shard, rows in _by_shard(records).items():
            with safe_open(self.path / shard, "numpy") as file:
                if "map_layers" not in file.keys():  # noqa: SIM118 - not a mapping
                    continue
                stored, offsets = file.get_tensor("map_layers"), file.get_tensor("map_offsets")
            for i, row in rows:
                own, grid = stored[:, offsets[row] : offsets[row + 1]], records[i].grid
                if own.shape[1] and grid is not None:
                    maps[i] = own.reshape(len(own), *grid)
        return maps

    def finish(self, records: list[SampleRecord], manifest: dict[str, Any]) -> Path:
        """Write records and manifest; the folder is complete when this returns its path."""
        table = pa.Table.from_pylist([record.to_row() for record in records])
        partial = self.path / f"{RECORDS_FILE}.partial"
        pq.write_table(table, partial, compression="zstd")
        partial.replace(self.path / RECORDS_FILE)
        self._write_tables()
        used = {record.shard for record in records}
        for shard in self.path.glob("arrays-*.safetensors"):
            if shard.name not in used:  # captured before a resume under a narrower limit
                shard.unlink()
        files = {
            path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for path in sorted(self.path.iterdir())
            if path.suffix in (".parquet", ".safetensors") or path.name.startswith("probe-")
        }
        complete = RunManifest(**manifest, files=files)
        text = json.dumps(complete.to_json(), indent=1, allow_nan=False, ensure_ascii=False)
        _write(self.path / MANIFEST_FILE, text + "\n")
        shutil.rmtree(self.parts)
        self.release()
        return self.path

    def release(self) -> None:
        """Let another process go on with this folder."""
        if self._hold is not None:
            _unlock(self._hold)
            self._hold = None


def check_writable(folder: Path) -> None:
    """Raise SetupError unless files can be made in ``folder`` (created if missing)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SetupError(
            f"cannot write to the output folder {folder}: {error.strerror or error}. "
            "Choose another --output_path."
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_ARROW_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "bytes": pa.binary()
}  # fmt: skip


def _schema_of(file: str) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, _ARROW_TYPES[column.kind], column.nullable)
            for name, column in TABLES[file].items()
        ]
    )


def _unfinished(path: Path) -> dict[str, Any] | None:
    """The fingerprint of an unfinished run; None for any other folder."""
    run = path / _PARTS / _RUN
    if (path / MANIFEST_FILE).exists() or not run.exists():
        return None
    try:
        began_as: dict[str, Any] = json.loads(run.read_text("utf-8"))
    except json.JSONDecodeError:
        return None
    return began_as


def _by_shard(records: Sequence[Located]) -> dict[str, list[tuple[int, int]]]:
    """Shard -> (index of the record, its row there)."""
    rows: dict[str, list[tuple[int, int]]] = {}
    for index, record in enumerate(records):
        if record.shard is not None and record.row is not None:
            rows.setdefault(record.shard, []).append((index, record.row))
    return rows


def _lock(path: Path) -> Any:
    lock = _RunLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except OSError:  # another process has it, or it cannot be written to
        return None
    return lock


def _unlock(lock: Any) -> None:
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)


def _stack_rows(arrays: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of a shard; a row that lacks an array holds zeros and ``<name>.present`` false."""
    columns: dict[str, np.ndarray] = {}
    for name in sorted({name for own in arrays for name in own}):
        if name in RAGGED:
            columns |= _ragged(name, [own.get(name) for own in arrays])
            continue
        like = next(own[name] for own in arrays if name in own)
        rows = [own.get(name, np.zeros_like(like)) for own in arrays]
        columns[name] = np.stack(rows)
        columns[f"{name}.present"] = np.array([name in own for own in arrays])
    return columns


def _ragged(name: str, maps: list[np.ndarray | None]) -> dict[str, np.ndarray]:
    n_layers, dtype = next((len(m), m.dtype) for m in maps if m is not None)
    filled = [np.zeros((n_layers, 0), dtype) if m is None else m for m in maps]
    offsets = np.cumsum([0] + [m.shape[1] for m in filled])
    return {name: np.concatenate(filled, axis=1), RAGGED[name]: offsets}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
