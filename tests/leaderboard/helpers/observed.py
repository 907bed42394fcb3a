"""A run folder of made-up observations: records and the array files that they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.numpy import save_file

from metrics.record.channels import Channel
from metrics.record.records import SampleRecord
from metrics.record.shards import pack
from metrics.signals.recording import record_of
from tests.leaderboard.helpers.golden import write_run
from tests.metrics.helpers.seen import channels, observation

SHARDS = ("arrays-0-0.safetensors", "arrays-1-0.safetensors")
N = 12


def observed_records(
    n: int = N, **changes: object
) -> tuple[list[SampleRecord], list[list[Mapping[str, Channel]]]]:
    """Records in turn of two array files, as two ranks make them, and the rows of each."""
    rows: list[list[Mapping[str, Channel]]] = [[], []]
    records = []
    for doc in range(n):
        own, rank = channels(doc), doc % 2
        place = {"shard": SHARDS[rank], "row": len(rows[rank])}
        records.append(record_of(observation(doc, own, **changes), **place))
        rows[rank].append(own)
    return records, rows


def save(folder: Path, columns: Sequence[Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Write array files; what a manifest says of them."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, object]] = {}
    for name, own in zip(SHARDS, columns, strict=True):
        save_file(dict(own), folder / name)
        data = (folder / name).read_bytes()
        files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return files


def write_observed(folder: Path, *, change=lambda columns: None, **manifest: object) -> Path:
    """A complete run folder; ``change`` alters the columns of its first array file."""
    records, rows = observed_records()
    columns = [pack(own) for own in rows]
    change(columns[0])
    files = save(folder.parent / "arrays", columns)
    write_run(folder, records, files=files, **manifest)
    for name in SHARDS:
        (folder.parent / "arrays" / name).rename(folder / name)
    return folder
