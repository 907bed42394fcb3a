"""Every reader of a file that may come from somebody else, and what it is fed.

A reader takes a folder of its own and a generator, spoils one file, and reads it. It returns, or
raises an error of ours; anything else is a finding.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from leaderboard.cli import main
from leaderboard.errors import LeaderboardError
from leaderboard.policies.policy import read_policy
from leaderboard.release.tolerances import read_tolerances
from leaderboard.report.parts import SUMMARIES
from leaderboard.results.cache import Cache
from leaderboard.results.workers import evaluate_folder
from leaderboard.runs.images import maps_of, pictures_of
from leaderboard.runs.read import or_explain, read_run
from leaderboard.runs.shards import store_of
from metrics.errors import RecordError
from metrics.record.channels import ImageMaps, PromptState
from metrics.record.records import (
    GROUNDING_FILE,
    IMAGES_FILE,
    INTERVENTIONS_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
    TABLES,
)
from metrics.record.shards import pack
from metrics.states.fitted_probe import FittedProbe
from tests.fuzz.mutations import spoilt_bytes, spoilt_value
from tests.leaderboard.helpers.golden import make_manifest, make_records
from tests.leaderboard.helpers.grounded import grounding_rows
from tests.leaderboard.helpers.sweeps import plateau
from tests.leaderboard.helpers.sweeps import rows_of as sweep_rows
from vrp_tasks.attach.labels import LabelFile
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.probe_file import load_probe, save_probe
from vrp_tasks.tasks.coco.annotations import read_pictures
from vrp_tasks.tasks.coco.docs import _check_columns

OURS = (RecordError, LeaderboardError, SetupError)
N = 12
SHARD = "arrays-0-0.safetensors"
Reader = Callable[[Path, random.Random], object]


@cache
def _files() -> dict[str, bytes]:
    """A small, whole run: file name -> bytes, its manifest left out."""
    records = [replace(r, shard=SHARD, row=i) for i, r in enumerate(make_records(N))]
    rng = np.random.default_rng(0)
    channels = [
        {
            "image_maps": ImageMaps(rng.dirichlet(np.ones(64), 4).reshape(4, 8, 8)),
            "state_prompt": PromptState(rng.normal(size=(5, 6)).astype(np.float16)),
        }
        for _ in records
    ]
    jpeg = b"\xff\xd8\xff" + bytes(60)
    images = [{"sha256": "ab", "jpeg": jpeg, "width": 8, "height": 8}]
    return {
        RECORDS_FILE: _parquet([record.to_row() for record in records]),
        INTERVENTIONS_FILE: _parquet(sweep_rows(records, plateau)),
        GROUNDING_FILE: _parquet(grounding_rows(records), GROUNDING_FILE),
        IMAGES_FILE: _parquet(images),
        SHARD: save(pack(channels)),
    }


def _parquet(rows: list[dict[str, Any]], file: str | None = None) -> bytes:
    kinds = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}
    schema = None
    if file is not None:
        schema = pa.schema(
            [(n, kinds.get(column.kind, pa.binary())) for n, column in TABLES[file].items()]
        )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue())


def _run(
    folder: Path, changed: dict[str, bytes], *, manifest: Callable[[Any], Any] = lambda plain: plain
) -> Path:
    """Write the run with other files; hashes are those of what is written, as a forger's are."""
    files = _files() | changed
    entries = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    plain = make_manifest(make_records(N)).to_json() | {"files": entries}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    text = json.dumps(manifest(plain))
    (folder / MANIFEST_FILE).write_text(text, "utf-8", "surrogatepass")
    return folder


def _read_all(folder: Path) -> object:
    """Everything of a run that a build reads, without the statistics."""

    def read(path: Path) -> int:
        run = read_run(path)
        for file in TABLES:
            run.columns_of(file)
        pictures_of(run, run.records)
        maps_of(run, run.records)
        store_of(run).stacked(PromptState, "by_layer", run.records)
        return len(run.records)

    return or_explain(folder, read)


def manifest_values(folder: Path, rng: random.Random) -> object:
    """A manifest with another value."""
    return _read_all(_run(folder, {}, manifest=lambda plain: spoilt_value(plain, rng)))


def manifest_bytes(folder: Path, rng: random.Random) -> object:
    """A manifest with other bytes."""
    path = _run(folder, {}) / MANIFEST_FILE
    path.write_bytes(spoilt_bytes(path.read_bytes(), rng))
    return _read_all(folder)


def table_bytes(folder: Path, rng: random.Random) -> object:
    """A table or an array file with other bytes."""
    name = rng.choice(sorted(_files()))
    return _read_all(_run(folder, {name: spoilt_bytes(_files()[name], rng)}))


def _spoilt_rows(rng: random.Random) -> dict[str, bytes]:
    name = rng.choice((RECORDS_FILE, INTERVENTIONS_FILE, GROUNDING_FILE, IMAGES_FILE))
    rows = pq.read_table(pa.BufferReader(_files()[name])).to_pylist()
    if rng.random() < 0.5:  # a whole column, so that it is of one type
        column, value = rng.choice(sorted(rows[0])), spoilt_value([0], rng)
        other = value[0] if isinstance(value, list) and value else value
        rows = [row | {column: other} for row in rows]
    else:
        rows = spoilt_value(rows, rng)
    try:
        return {name: _parquet(rows)}
    except (pa.ArrowException, AttributeError, OverflowError, TypeError, ValueError):
        return {}  # no such table can be written


def table_values(folder: Path, rng: random.Random) -> object:
    """A table with other values."""
    return _read_all(_run(folder, _spoilt_rows(rng)))


def evaluated(folder: Path, rng: random.Random) -> object:
    """A run with other values, all of its figures."""
    if rng.random() < 0.5:
        path = _run(folder, _spoilt_rows(rng))
    else:
        path = _run(folder, {}, manifest=lambda plain: spoilt_value(plain, rng))
    return evaluate_folder(path, summaries=SUMMARIES)


def built(folder: Path, rng: random.Random) -> object:
    """A crafted run beside a whole one: ``build`` shows that one, whatever the other holds."""
    change = _spoilt_rows(rng) if rng.random() < 0.5 else {}
    spoil = (lambda plain: plain) if change else (lambda plain: spoilt_value(plain, rng))
    _run(folder / "crafted", change, manifest=spoil)
    _run(folder / "whole", {})
    output = folder / "output"
    code = main(["build", str(folder), "-o", str(output), "--no-cache"])
    if code != 0 or not (output / "report.html").is_file():
        raise AssertionError(f"build ended with {code}")
    compared = main(["compare", str(folder / "whole"), str(folder / "crafted")])
    if compared not in (0, 1, 2):
        raise AssertionError(f"compare ended with {compared}")
    return code


def tolerances(folder: Path, rng: random.Random) -> object:
    """A file of margins."""
    path = folder / "tolerances.toml"
    text = b'alpha = 0.05\n[margins]\naccuracy = 0.02\nauroc = {probe = 0.05, "x" = 0.1}\n'
    path.write_bytes(spoilt_bytes(text.replace(b', "x" = 0.1', b""), rng))
    return read_tolerances(path)


POLICY = {"format": "vrp policy 1", "signal": {"name": "probe"}, "promise": {"risk": 0.1}}


def policy(folder: Path, rng: random.Random) -> object:
    """A policy."""
    path = folder / "policy.json"
    plain = json.dumps(spoilt_value(POLICY, rng)).encode("utf-8", "surrogatepass")
    path.write_bytes(spoilt_bytes(plain, rng) if rng.random() < 0.5 else plain)
    return read_policy(path)


def cache_entry(folder: Path, rng: random.Random) -> object:
    """An entry of the cache; it is not believed, and no error."""
    path = folder / "key.json"
    path.write_bytes(spoilt_bytes(b"0123\n[[1, 2], null]" * 3, rng))
    return Cache(folder, SUMMARIES).get("key")


def probe(folder: Path, rng: random.Random) -> object:
    """A saved probe."""
    vector = np.ones(6)
    fitted = FittedProbe(2, 5, 6, vector, vector, vector, 0.0, 1.0, 0.0)
    save_probe(
        folder, fitted, task="t", position="last_prompt", model={"name": "m"}, images=["a", "b"]
    )
    if rng.random() < 0.7:
        path = folder / "probe-t.json"
        plain = json.dumps(spoilt_value(json.loads(path.read_text("utf-8")), rng))
        path.write_text(plain, "utf-8", "surrogatepass")
    else:
        path = folder / "probe-t.safetensors"
        path.write_bytes(spoilt_bytes(path.read_bytes(), rng))
    return load_probe(folder)


def labels(folder: Path, rng: random.Random) -> object:
    """A file of corrected labels."""
    rows = [
        {"image": f"COCO_val2014_{i:012}.jpg", "text": "Is it?", "label": "yes"} for i in (1, 2)
    ]
    path = folder / "labels.json"
    plain = "\n".join(json.dumps(spoilt_value(row, rng)) for row in rows)
    data = plain.encode("utf-8", "surrogatepass")
    path.write_bytes(spoilt_bytes(data, rng) if rng.random() < 0.5 else data)
    return LabelFile(str(path))


def annotations(folder: Path, rng: random.Random) -> object:
    """COCO's annotations."""
    whole = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 8, "height": 8, "coco_url": "u"}],
        "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 9}
        ],
    }
    path = folder / "instances.json"
    data = json.dumps(spoilt_value(whole, rng)).encode("utf-8", "surrogatepass")
    path.write_bytes(spoilt_bytes(data, rng) if rng.random() < 0.3 else data)
    for picture in read_pictures(path):
        inside = (folder / picture.file_name).resolve()
        if not inside.is_relative_to(folder.resolve()):
            raise AssertionError(f"{picture.file_name!r} is outside")
    return path


def coco_set(folder: Path, rng: random.Random) -> object:
    """What stands under VRP_COCO."""
    path = folder / "counting.parquet"
    path.write_bytes(spoilt_bytes(_files()[RECORDS_FILE], rng))
    return _check_columns(path)


# reader, and how many of a thousand mutations it gets: what computes figures is slow
READERS: dict[str, tuple[Reader, int]] = {
    "manifest_values": (manifest_values, 140),
    "manifest_bytes": (manifest_bytes, 80),
    "table_bytes": (table_bytes, 140),
    "table_values": (table_values, 120),
    "tolerances": (tolerances, 80),
    "policy": (policy, 80),
    "cache_entry": (cache_entry, 40),
    "probe": (probe, 100),
    "labels": (labels, 100),
    "annotations": (annotations, 80),
    "coco_set": (coco_set, 37),
    "evaluated": (evaluated, 2),
    "built": (built, 1),
}
