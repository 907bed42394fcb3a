"""A run folder (`metrics.record.records`): started or taken up again, and completed.

Each rank writes parts (`vrp_tasks.run.parts`); `finish` turns them into ``records.parquet`` and the
tables beside it, and writes the manifest last.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from loguru import logger

from metrics.record.columns import values_of
from metrics.record.long_tables import write_records, write_rows
from metrics.record.records import (
    IMAGES_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
    REQUESTS_FILE,
    TABLES,
    RunManifest,
    SampleRecord,
)
from vrp_tasks.errors import SetupError
from vrp_tasks.hashing import sha256_of
from vrp_tasks.place import place_of_record, places_of
from vrp_tasks.run.fingerprint import differences
from vrp_tasks.run.parts import PARTS, Entry, Parts, openings, schema_of
from vrp_tasks.whole_files import whole_file, write_text

_RUN = "run.json"
_SUFFIX = "_vrp"
_STAMP = "%Y%m%d_%H%M%S"


class _RunLock(FileLock):
    """lmms-eval makes FileLock itself reentrant within a process; a run has one writer."""


class RunFolder(Parts):
    """One run's folder, opened for writing by one rank."""

    def __init__(self, path: Path, *, rank: int, opening: int | None = None) -> None:
        super().__init__(path, rank=rank, opening=opening)
        self._hold: Any = None

    @classmethod
    def create(
        cls, base: Path, *, now: datetime, fingerprint: dict[str, Any], rank: int = 0
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
            if began_as is None:
                continue
            if (lock := _lock(path)) is None:
                if began_as == fingerprint:
                    logger.warning(
                        f"Another process writes to {path}; this run gets a folder of its own."
                    )
                continue
            if began_as == fingerprint and _unfinished(path) is not None:
                return cls._opened(path, lock, rank)
            _unlock(lock)
            left = left or (path, differences(began_as, fingerprint))
        if left is not None:
            logger.info(
                f"A new run is started: the unfinished one in {left[0]} was made with other "
                f"{'; '.join(left[1])}."
            )
        path = _new_folder(base, now)
        folder = cls._opened(path, _lock(path), rank)
        write_text(path / PARTS / _RUN, json.dumps(fingerprint, indent=1, sort_keys=True))
        return folder

    @classmethod
    def _opened(cls, path: Path, lock: Any, rank: int) -> RunFolder:
        """A folder of which this process has the lock, with an opening of its own."""
        opening = 1 + max(openings(path), default=0)
        (path / PARTS / str(opening)).mkdir(parents=True)
        folder = cls(path, rank=rank, opening=opening)
        folder._hold = lock
        return folder

    @property
    def is_new(self) -> bool:
        """Whether nothing was written before this opening."""
        return self.opening == 1

    def reopened(self) -> RunFolder:
        """The same folder in an opening of its own."""
        return self._opened(self.path, self._hold, self.rank)

    def finish(self, records: Sequence[SampleRecord], manifest: dict[str, Any]) -> Path:
        """Write records and manifest; the folder is complete when this returns its path."""
        if records:
            with whole_file(self.path / RECORDS_FILE) as partial, partial.open("wb") as file:
                write_records(file, records)
        self._write_tables(records)
        used = set(values_of(records, "shard"))
        for shard in self.path.glob("arrays-*.safetensors"):
            if shard.name not in used:  # of documents that are asked no more, or were asked again
                shard.unlink()
        files = {
            path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            for path in sorted(self.path.iterdir())
            if path.suffix in (".parquet", ".safetensors") or path.name.startswith("probe-")
        }
        write_text(self.path / MANIFEST_FILE, RunManifest(**manifest, files=files).to_text())
        shutil.rmtree(self.path / PARTS)
        self.release()
        return self.path

    def _write_tables(self, records: Sequence[SampleRecord]) -> None:
        """The tables beside the records: their rows alone, whatever else was written."""
        places = set(places_of(records))
        images = set(values_of(records, "image"))
        self._write_requests(
            entry for entry in self.entries() if place_of_record(entry.record) in places
        )
        for file in TABLES.keys() - {REQUESTS_FILE}:
            if file == IMAGES_FILE:
                self.rule(file, lambda _opening, row: row["sha256"] in images)
            else:
                self.rule(
                    file,
                    lambda _opening, row: (row["task"], row["split"], row["doc_id"]) in places,
                )
            whole = pa.concat_tables([schema_of(file).empty_table(), *self.tables(file)])
            if file == IMAGES_FILE:  # several ranks or openings may have met the same image
                whole = _first_of_each(whole, "sha256")
            if len(whole):
                with whole_file(self.path / file) as partial, partial.open("wb") as parquet:
                    pq.write_table(whole, parquet, compression="zstd")

    def _write_requests(self, entries: Iterable[Entry]) -> None:
        rows = (
            {
                **{name: getattr(record, name) for name in ("task", "split", "doc_id")},
                **dict.fromkeys(TABLES[REQUESTS_FILE].keys() - {"task", "split", "doc_id"}),
                **({} if exchange.asked is None else asdict(exchange.asked)),
                "response": exchange.response,
                "sent": exchange.sent,
            }
            for record, exchange in entries
        )
        first = next(rows, None)
        if first is None:
            return
        with whole_file(self.path / REQUESTS_FILE) as partial, partial.open("wb") as file:
            write_rows(file, chain([first], rows), schema_of(REQUESTS_FILE))

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

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


def _new_folder(base: Path, now: datetime) -> Path:
    """A new folder below ``base``, whose name sorts after all that are there.

    Whoever makes the directory has it, also against a process that starts in the same second; a
    clock that was set back gives no earlier name.
    """
    there = (_stamp_of(path) for path in base.glob(f"*{_SUFFIX}"))
    latest = max((stamp for stamp in there if stamp is not None), default=None)
    stamp = now.replace(microsecond=0, tzinfo=None)
    if latest is not None:
        stamp = max(stamp, latest + timedelta(seconds=1))
    while True:
        path = base / f"{stamp:{_STAMP}}{_SUFFIX}"
        try:
            path.mkdir()
        except FileExistsError:
            stamp += timedelta(seconds=1)
        else:
            return path


def _stamp_of(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.name.removesuffix(_SUFFIX), _STAMP)
    except ValueError:
        return None


def _first_of_each(table: pa.Table, key: str) -> pa.Table:
    others = [(name, "first") for name in table.schema.names if name != key]
    found = table.group_by(key, use_threads=False).aggregate(others)
    return found.rename_columns([name.removesuffix("_first") for name in found.schema.names])


def _unfinished(path: Path) -> dict[str, Any] | None:
    """The fingerprint of an unfinished run; None for any other folder."""
    run = path / PARTS / _RUN
    if (path / MANIFEST_FILE).exists() or not run.exists():
        return None
    try:
        began_as: dict[str, Any] = json.loads(run.read_text("utf-8"))
    except (OSError, ValueError):
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
    """Remove the file, then let go: who waits for it sees that it is gone, and takes a new one."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
