"""Answers of a complete run, taken over into a new one of the same make as if it had been stopped.

So a limit that grows costs the new samples only, and the same command after a complete run asks
nothing again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from loguru import logger

from metrics.errors import RecordError
from metrics.record.columns import of_task
from metrics.record.records import (
    GROUNDING_FILE,
    IMAGES_FILE,
    INTERVENTIONS_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
    REQUESTS_FILE,
    RunManifest,
    SampleRecord,
)
from metrics.signals import BY_NAME
from vrp_tasks.run.folder import RunFolder
from vrp_tasks.run.offers import NOT_OFFERED
from vrp_tasks.run.parts import Entry, Exchange
from vrp_tasks.run.request_identity import RequestIdentity

_NOTE = "taken-over"
_ROWS = (GROUNDING_FILE, INTERVENTIONS_FILE)
_HASHES = tuple(RequestIdentity.__dataclass_fields__)


@dataclass(frozen=True)
class _Source:
    """A complete run, and its tasks whose answers fit."""

    path: Path
    manifest: RunManifest
    tasks: tuple[str, ...]

    @property
    def n_samples(self) -> int:
        return sum(int(self.manifest.tasks[task]["n_samples"]) for task in self.tasks)


def take_over(
    folder: RunFolder, identity: Mapping[str, Any], wanted: Mapping[str, Collection[str]]
) -> bool:
    """Write the answers of the largest complete run beside a new folder into it.

    Parameters
    ----------
    folder : RunFolder
        New, with nothing in it.
    identity : mapping
        Of the run (`vrp_tasks.run.fingerprint.digests`).
    wanted : mapping of str to collection of str
        Task -> documents that are asked.

    Returns
    -------
    bool
        Whether there was one. A run that cannot be read is passed over, with a line.
    """
    found = sorted(_sources(folder.path.parent, identity, wanted), key=lambda own: own.n_samples)
    for source in reversed(found):
        try:
            entries = list(_entries(source, wanted))
            _copy(source, folder, entries)
        except (RecordError, OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            logger.warning(f"{source.path}: no answers are taken over: {error}")
            continue
        logger.info(f"{len(entries)} samples are taken over from the complete run {source.path}.")
        return True
    return False


def is_that_of(folder: RunFolder, records: Collection[SampleRecord]) -> Path | None:
    """The complete run that a folder equals: all of it was taken over, and nothing is new."""
    notes = [note for opening, note in folder.notes(_NOTE) if opening == 1]
    new = (
        path
        for pattern in ("*.jsonl", *(f"{file}.*" for file in _ROWS))
        for opening, path in folder.files(pattern)
        if opening > 1
    )
    if not notes or any(new) or notes[0]["n_samples"] != len(records):
        return None
    path = folder.path.parent / str(notes[0]["run"])
    whole = notes[0]["is_whole"] and (path / MANIFEST_FILE).is_file()
    return path if whole else None


def _sources(
    base: Path, identity: Mapping[str, Any], wanted: Mapping[str, Collection[str]]
) -> Iterator[_Source]:
    for path in sorted(base.glob(f"*/{MANIFEST_FILE}")):
        try:
            manifest = RunManifest.from_json(json.loads(path.read_text("utf-8")))
            own = manifest.identity
            if not own or own["run"] != identity["run"] or manifest.rescored:
                continue
            there = {task: own["tasks"].get(task) for task in wanted}
            tasks = tuple(t for t, digest in there.items() if digest == identity["tasks"][t])
        except (RecordError, OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # not a run of this version: whoever reads it says so
        if tasks:
            yield _Source(path.parent, manifest, tasks)


def _entries(source: _Source, wanted: Mapping[str, Collection[str]]) -> Iterator[Entry]:
    """Answers that are wanted, as they were before anything was fitted on labels."""
    asked = {
        (row["task"], row["doc_id"]): row
        for row in pq.read_table(source.path / REQUESTS_FILE).to_pylist()
    }
    for row in pq.read_table(source.path / RECORDS_FILE).to_pylist():
        task, doc_id = row["task"], row["doc_id"]
        own = asked.get((task, doc_id))
        if task not in source.tasks or doc_id not in wanted[task] or own is None:
            continue
        left_out = of_task(source.manifest.not_offered, task)
        record = _as_answered(SampleRecord.from_row(row, not_offered=left_out))
        identity = RequestIdentity(**{name: own[name] for name in _HASHES})
        yield Entry(record, Exchange(identity, own["response"], own["sent"]))


def _as_answered(record: SampleRecord) -> SampleRecord:
    fitted = {name for name in BY_NAME if BY_NAME[name].fitted}
    return replace(
        record,
        signals={n: value for n, value in record.signals.items() if n not in fitted},
        missing={n: reason for n, reason in record.missing.items() if n not in fitted},
        layers={n: values for n, values in record.layers.items() if values is not None},
    )


def _copy(source: _Source, folder: RunFolder, entries: list[Entry]) -> None:
    """Arrays, tables and notes first, the records last: without them the rest counts nothing."""
    manifest, tasks = source.manifest, source.tasks
    for shard in {entry.record.shard for entry in entries} - {None}:
        _link(source.path / str(shard), folder.path / str(shard))
    for file in (IMAGES_FILE, *_ROWS):
        if file in manifest.files:
            table = pq.read_table(source.path / file)
            if file != IMAGES_FILE:
                table = table.filter(pc.is_in(table["task"], pa.array(tasks)))
            folder.add_table(file, table)
    reasons = {
        f"{t}:{n}": why for t in tasks for n, why in of_task(manifest.not_offered, t).items()
    }
    folder.note(NOT_OFFERED, reasons)
    for task in tasks:
        found = manifest.sweeps.get(task, {})
        if "ranked_on" in found:
            folder.note("ranking", {"task": task, "ranked_on": found["ranked_on"]})
            folder.note("sweep", {"task": task, "found": found})
    whole = set(tasks) == set(manifest.tasks) and len(entries) == source.n_samples
    about = {"run": source.path.name, "n_samples": len(entries), "is_whole": whole}
    folder.note(_NOTE, about)
    folder.add_entries(entries)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy on a file system without links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
