"""Writes a run folder (`metrics.record.records`) as the run goes, and takes up an unfinished one.

Each rank writes parts: an array shard and, after it, the JSON lines that refer to it, both put in
place by a rename. `finish` turns the parts into ``records.parquet`` and writes the manifest last.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from filelock import FileLock
from loguru import logger
from safetensors import safe_open
from safetensors.numpy import save_file

from metrics.record.channels import Channel
from metrics.record.columns import rows_of
from metrics.record.records import (
    IMAGES_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
    TABLES,
    RunManifest,
    SampleRecord,
)
from metrics.record.shards import pack
from metrics.record.store import ChannelStore
from vrp_tasks.errors import SetupError
from vrp_tasks.hashing import sha256_of
from vrp_tasks.run.fingerprint import differences

_PARTS = "parts"
_RUN = "run.json"
_SUFFIX = "_vrp"
# where a sample's channels are -> its record
MakeRecord = Callable[[str | None, int | None], SampleRecord]


class _RunLock(FileLock):
    """lmms-eval makes FileLock itself reentrant within a process; a run has one writer."""


class RunFolder:
    """One run's folder, opened for writing by one rank."""

    def __init__(self, path: Path, *, rank: int) -> None:
        self.path, self.rank = path, rank
        self._hold: Any = None
        self.parts = path / _PARTS
        self._n_parts = len(list(self.parts.glob(f"{rank}-*.jsonl")))
        self._unasked = threading.Lock()
        self.store = ChannelStore(lambda shard: safe_open(self.path / shard, framework="numpy"))

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

    def add(
        self, make: Sequence[MakeRecord], channels: Sequence[Mapping[str, Channel]]
    ) -> list[SampleRecord]:
        """Write one part: the channels of some samples, then the records that refer to them.

        Parameters
        ----------
        make : sequence of callable
            Each makes a sample's record of the place of its channels.
        channels : sequence of mapping
            Each sample's channels to keep.

        Returns
        -------
        list of SampleRecord
        """
        number, self._n_parts = self._n_parts, self._n_parts + 1
        shard = f"arrays-{self.rank}-{number}.safetensors"
        columns = pack(channels)
        if columns:
            partial = self.path / f"{shard}.partial"
            save_file(columns, partial)
            partial.chmod(0o644)
            partial.replace(self.path / shard)
        stored = [any(channel.kept for channel in own.values()) for own in channels]
        records = [
            place(shard, row) if there else place(None, None)
            for row, (place, there) in enumerate(zip(make, stored, strict=True))
        ]
        lines = [json.dumps(asdict(record), allow_nan=False) for record in records]
        _write(self.parts / f"{self.rank}-{number}.jsonl", "\n".join(lines) + "\n")
        return records

    def note(self, kind: str, entries: Any) -> None:
        """Keep plain data beside the parts until the run is complete, past a stop."""
        number = len(list(self.parts.glob(f"{kind}.{self.rank}-*.json")))
        _write(self.parts / f"{kind}.{self.rank}-{number}.json", json.dumps(entries))

    def notes(self, kind: str) -> list[Any]:
        """What `note` was given of a kind so far, of every rank."""
        parts = sorted(self.parts.glob(f"{kind}.*.json"))
        return [json.loads(part.read_text("utf-8")) for part in parts]

    def add_unasked(self, record: SampleRecord) -> None:
        """Write the record of an answer that the model was not asked for; from any thread."""
        with (
            self._unasked,
            (self.parts / f"unasked-{self.rank}.jsonl").open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(asdict(record), allow_nan=False) + "\n")

    def add_rows(self, file: str, rows: list[dict[str, Any]]) -> None:
        """Write rows of one of `metrics.record.records.TABLES`; they are there once this returns.

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

    def records(self) -> list[SampleRecord]:
        """Records of all parts so far, of every rank."""
        found = []
        for part in sorted(self.parts.glob("*.jsonl")):
            lines = part.read_text("utf-8").splitlines()
            for line in lines:
                try:
                    found.append(SampleRecord(**json.loads(line)))
                except json.JSONDecodeError:  # the run was stopped while it was written
                    logger.warning(f"{part}: a line that was not written whole is passed over.")
        return found

    def finish(self, records: Sequence[SampleRecord], manifest: dict[str, Any]) -> Path:
        """Write records and manifest; the folder is complete when this returns its path."""
        table = pa.Table.from_pylist(rows_of(records))
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
        _write(self.path / MANIFEST_FILE, RunManifest(**manifest, files=files).to_text())
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


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
