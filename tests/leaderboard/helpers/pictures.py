"""Adds pictures and attention maps to a golden run, in the form of `metrics.record.records`."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save_file

from metrics.record.channels import ImageMaps
from metrics.record.records import IMAGES_FILE, MANIFEST_FILE, SampleRecord
from metrics.record.shards import pack
from tests.leaderboard.helpers.golden import make_records, write_run

SHARD = "arrays-0-0.safetensors"
GRID = (4, 6)
N_LAYERS = 3


def jpeg(seed: int = 0, size: tuple[int, int] = (96, 64)) -> bytes:
    """A picture of noise."""
    shape = (size[1], size[0], 3)
    return as_jpeg(np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8))


def as_jpeg(pixels: np.ndarray) -> bytes:
    """Encode an array of shape (height, width, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG")
    return buffer.getvalue()


def peaked_map(row: int) -> np.ndarray:
    """A map per layer whose highest cell is ``row``, twice as high as the others together."""
    n_cells = GRID[0] * GRID[1]
    one = np.full(n_cells, 1 / (3 * (n_cells - 1)))
    one[row % n_cells] = 2 / 3
    return np.tile(one, (N_LAYERS, 1)).astype(np.float32)


def write_pictured_run(
    folder: Path,
    records: Sequence[SampleRecord] | None = None,
    *,
    stored: Mapping[str, bytes] | None = None,
    **changes: object,
) -> Path:
    """A run whose every record names a picture (one per group) and a map; ``stored`` replaces both
    names and bytes of the pictures."""
    records = make_records(40) if records is None else list(records)
    groups = list(dict.fromkeys(record.group for record in records))
    pictures = {group: jpeg(number) for number, group in enumerate(groups)}
    names = {group: hashlib.sha256(data).hexdigest() for group, data in pictures.items()}
    if stored is not None:
        names = dict(zip(groups, (list(stored) * len(groups))[: len(groups)], strict=True))
    records = [
        replace(record, image=names[record.group], shard=SHARD, row=row, grid=list(GRID))
        for row, record in enumerate(records)
    ]
    write_run(folder, records, **changes)
    images = stored or {names[group]: data for group, data in pictures.items()}
    rows = [{"sha256": n, "jpeg": d, "width": 96, "height": 64} for n, d in images.items()]
    pq.write_table(pa.Table.from_pylist(rows), folder / IMAGES_FILE)
    maps = [ImageMaps(peaked_map(row).reshape(-1, *GRID)) for row in range(len(records))]
    save_file(pack([{ImageMaps.name: own} for own in maps]), folder / SHARD)
    name_in_manifest(folder, IMAGES_FILE, SHARD)
    return folder


def name_in_manifest(folder: Path, *files: str) -> None:
    """Enter files as they are now into the manifest."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
    for file in files:
        data = (folder / file).read_bytes()
        manifest["files"][file] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")
