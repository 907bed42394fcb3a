"""A rescored run as a run folder of its own: whole, or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from leaderboard.errors import TargetError
from leaderboard.rescoring.meanings import Meanings, read_meanings
from leaderboard.rescoring.rephrased import read_rephrasings
from leaderboard.rescoring.rescore import Progress, rescore
from leaderboard.runs.read import check_files, read_run, sha256_of
from metrics.errors import RecordError
from metrics.record.long_tables import write_records
from metrics.record.records import (
    MANIFEST_FILE,
    RECORDS_FILE,
    SIMILARITIES_FILE,
    RunManifest,
    SampleRecord,
)
from metrics.record.versions import versions_of

_PACKAGES = ("vrp-tasks", "numpy", "scipy", "scikit-learn")
_SUFFIX = "_rescored"


def rescore_folder(
    folder: Path,
    target: Path | None = None,
    *,
    progress: Progress,
    similarities: Path | None = None,
    rephrased: Sequence[Path] = (),
) -> Path:
    """Write a run folder like another, its signals computed anew from the stored channels.

    Array files, tables and images are the same files, as hard links where the file system has
    them. The folder appears under its name when it is complete.

    Parameters
    ----------
    folder : Path
        A complete run.
    target : Path, optional
        The new folder; by default beside the run, with ``_rescored`` after its name.
    progress : callable
        As of `rescore`.
    similarities : Path, optional
        A file of what another model says of pairs of answers.
    rephrased : sequence of Path, optional
        Runs of the same questions in other words.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    RecordError
        If the run breaks the format.
    TargetError
        If the target is the run, inside it, or not empty.
    OSError
        If the target cannot be written.
    """
    folder, target = folder.resolve(), target_of(folder, target)
    text = (folder / MANIFEST_FILE).read_bytes()
    run = read_run(folder)
    meanings = None if similarities is None else read_meanings(similarities, run)
    others = read_rephrasings(rephrased, run) if rephrased else None
    records, manifest = rescore(run, progress=progress, meanings=meanings, rephrasings=others)
    origin = {"run": {"name": folder.name, "manifest_sha256": hashlib.sha256(text).hexdigest()}}
    made: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions_of(_PACKAGES),
        "command": list(sys.argv),
    }
    if rephrased:
        made["rephrased"] = _named(rephrased)
    manifest = replace(manifest, rescored=origin | made | manifest.rescored)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rescore-", dir=target.parent) as scratch:
        whole = Path(scratch) / target.name
        whole.mkdir()
        _write(folder, whole, records, manifest, meanings)
        if target.exists():
            target.rmdir()  # an empty one
        whole.rename(target)
    return target


def target_of(folder: Path, target: Path | None) -> Path:
    """Where a run is to be rescored to; checked before anything is computed.

    Raises
    ------
    RecordError, TargetError
        As `rescore_folder`, for a folder that is no run, or a target that cannot be.
    """
    folder = folder.resolve()
    target = (folder.with_name(folder.name + _SUFFIX) if target is None else target).resolve()
    _check_target(folder, target)
    if not (folder / MANIFEST_FILE).is_file():
        raise RecordError(f"{folder} has no {MANIFEST_FILE}: it is no complete run.")
    return target


def _named(folders: Sequence[Path]) -> dict[str, str]:
    """Which runs these are: their names, numbered where they are the same."""
    found: dict[str, str] = {}
    for folder in folders:
        name, number = folder.resolve().name, 1
        while (key := name if number == 1 else f"{name} ({number})") in found:
            number += 1
        found[key] = sha256_of(folder / MANIFEST_FILE)
    return found


def _check_target(folder: Path, target: Path) -> None:
    if target == folder or folder in target.parents:
        raise TargetError(f"{target} is the run itself, or inside it; choose another folder (-o).")
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        raise TargetError(f"{target} exists and is not an empty folder; choose another one (-o).")


def _write(
    folder: Path,
    target: Path,
    records: Sequence[SampleRecord],
    manifest: RunManifest,
    meanings: Meanings | None,
) -> None:
    anew = [RECORDS_FILE] if meanings is None else [RECORDS_FILE, SIMILARITIES_FILE]
    files = {name: entry for name, entry in manifest.files.items() if name not in anew}
    for name in files:
        _same_file(folder / name, target / name)
    with (target / RECORDS_FILE).open("wb") as file:
        write_records(file, records)
    if meanings is not None:
        pq.write_table(meanings.table, target / SIMILARITIES_FILE, compression="zstd")
    for name in anew:
        path = target / name
        files[name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    check_files(target, files)
    complete = replace(manifest, files=dict(sorted(files.items())))
    (target / MANIFEST_FILE).write_text(complete.to_text(), encoding="utf-8", newline="\n")


def _same_file(source: Path, target: Path) -> None:
    """A hard link; a copy of what is a symbolic link, or on a file system without links."""
    if not source.is_symlink():
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)
