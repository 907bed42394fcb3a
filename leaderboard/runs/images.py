"""Pictures and attention maps of the samples that the report shows.

Bytes from a run are never embedded: a picture is decoded as JPEG, by Pillow and within limits, and
what the report holds is a new JPEG of its pixels. A map is a few numbers read from its shard, drawn
as a PNG made here. Whatever cannot be shown says why.
"""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib import colormaps
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError

from leaderboard.runs.read import Run
from leaderboard.runs.shards import store_of
from metrics.record.channels import ImageMaps, there
from metrics.record.records import IMAGES_FILE, SampleRecord
from metrics.record.store import ChannelStore

MAX_SIDE = 240
MAX_BYTES = 2 * 1024**2
MAX_PIXELS = 4_000_000
JPEG_QUALITY = 75
N_LEVELS = 32
COLOURS = "inferno"

_UNDECODABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    ValueError,
    SyntaxError,
)
_UNREADABLE = (SafetensorError, pa.ArrowException, OSError, ValueError, TypeError, IndexError)


@dataclass(frozen=True)
class Picture:
    """A small JPEG written here, base64, or why there is none."""

    jpeg: str
    width: int
    height: int
    reason: str = ""

    @classmethod
    def absent(cls, reason: str) -> Picture:
        """No picture, and why."""
        return cls("", 0, 0, reason)


@dataclass(frozen=True)
class HeatMap:
    """Attention to the cells of a grid, mean over layers, or why there is none.

    Attributes
    ----------
    height, width
        Of the grid.
    levels
        Row by row, 0 … 31 as shares of the highest cell.
    peak
        Share of the attention to the image that the highest cell has.
    crop
        Side of the central square that the grid covers, as a share of the picture's shorter side; 0
        if it covers all of the picture, None if the run does not say.
    """

    height: int
    width: int
    levels: tuple[int, ...]
    peak: float
    crop: float | None
    reason: str = ""

    @classmethod
    def absent(cls, reason: str) -> HeatMap:
        """No map, and why."""
        return cls(0, 0, (), 0.0, None, reason)


def pictures_of(run: Run, records: Sequence[SampleRecord]) -> dict[str, Picture]:
    """Pictures of some records.

    Parameters
    ----------
    run : Run
        Where their images are.
    records : sequence of SampleRecord
        Each names its image, or none.

    Returns
    -------
    dict of str to Picture
        Identity of a record -> its picture.
    """
    wanted = {record.image for record in records if record.image is not None}
    try:
        stored = _stored(run, wanted)
    except _UNREADABLE as error:
        return {
            r.identity: Picture.absent(f"{IMAGES_FILE} cannot be read: {error}") for r in records
        }
    shown = {name: shrunk(name, data) for name, data in stored.items()}
    missing = Picture.absent(f"{IMAGES_FILE} does not hold it")
    none = Picture.absent("the run kept no image of this sample")
    return {
        record.identity: none if record.image is None else shown.get(record.image, missing)
        for record in records
    }


def _stored(run: Run, wanted: set[str]) -> dict[str, bytes]:
    if not wanted:
        return {}
    columns = run.columns_of(IMAGES_FILE)
    pairs = zip(columns["sha256"], columns["jpeg"], strict=True)
    return {name: data for name, data in pairs if name in wanted}


def shrunk(name: str, data: bytes) -> Picture:
    """Decode a JPEG and write it anew, at most `MAX_SIDE` wide and high.

    Parameters
    ----------
    name : str
        Its SHA-256, hexadecimal.
    data : bytes
        As stored by the run.

    Returns
    -------
    Picture
        With a reason instead of a picture if the bytes are no JPEG, not those that were written, or
        beyond the limits.
    """
    if len(data) > MAX_BYTES:
        return Picture.absent(f"its file has {len(data)} bytes, more than {MAX_BYTES}")
    if not data.startswith(b"\xff\xd8\xff"):
        return Picture.absent("the stored bytes are no JPEG")
    if hashlib.sha256(data).hexdigest() != name:
        return Picture.absent("the stored bytes are not those of its name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["JPEG"])
        if image.width * image.height > MAX_PIXELS:
            return Picture.absent(f"it claims {image.width} x {image.height} pixels")
        small = image.convert("RGB")
    except _UNDECODABLE as error:
        return Picture.absent(f"the stored JPEG cannot be decoded: {error}")
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    small.info.clear()  # comments and profiles would be written along
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return Picture(_base64(buffer.getvalue()), small.width, small.height)


def maps_of(run: Run, records: Iterable[SampleRecord]) -> dict[str, HeatMap]:
    """Attention maps of some records, of which only the needed columns are read.

    Parameters
    ----------
    run : Run
        Where their shards are.
    records : iterable of SampleRecord
        Each names its shard and row, or none.

    Returns
    -------
    dict of str to HeatMap
        Identity of a record -> its map.
    """
    crop, store = crop_of(run), store_of(run)
    found = {}
    for record in records:
        try:
            found[record.identity] = _map_of(store, record, crop)
        except _UNREADABLE as error:
            found[record.identity] = HeatMap.absent(f"its map cannot be read: {error}")
    return found


def _map_of(store: ChannelStore, record: SampleRecord, crop: float | None) -> HeatMap:
    (layers,) = store.array(ImageMaps, "by_layer", [record])
    if layers is None or record.grid is None:
        reason = record.missing.get(ImageMaps.name)
        return HeatMap.absent(reason or "the run kept no map of this sample")
    layers = there(layers)
    return heat_map(layers.reshape(len(layers), -1), record.grid, crop=crop)


def crop_of(run: Run) -> float | None:
    """What `HeatMap.crop` is for the maps of a run."""
    stated = run.manifest.model.get("center_crop")
    return float(stated) if isinstance(stated, int | float) and 0 <= stated <= 1 else None


def heat_map(layers: np.ndarray, grid: Sequence[int], *, crop: float | None) -> HeatMap:
    """Mean over layers in `N_LEVELS` steps.

    Parameters
    ----------
    layers : float array, shape (n_layers, height * width)
        Attention to the image per layer.
    grid : (height, width)
        Of the record.
    crop : float or None
        As `HeatMap` says.

    Returns
    -------
    HeatMap
        With a reason instead if shape or values cannot be those of a map.
    """
    height, width = grid
    if min(height, width) < 1 or layers.shape[1:] != (height * width,) or not len(layers):
        return HeatMap.absent(f"its map of shape {layers.shape} does not fit {height} x {width}")
    mean = layers.astype(np.float64).mean(axis=0)
    if not np.isfinite(mean).all() or mean.min() < 0 or mean.max() == 0:
        return HeatMap.absent("its map has values that attention cannot have")
    levels = np.rint(mean / mean.max() * (N_LEVELS - 1)).astype(int)
    peak = float(mean.max() / mean.sum())
    return HeatMap(height, width, tuple(levels.tolist()), peak, crop)


def overlay_png(heat: HeatMap) -> str:
    """One pixel per cell, more opaque where there is more attention; PNG, base64."""
    colours, alpha = _palette()
    image = Image.frombytes("P", (heat.width, heat.height), bytes(heat.levels))
    image.putpalette(colours)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", transparency=alpha, optimize=True)
    return _base64(buffer.getvalue())


def covered(heat: HeatMap, picture: Picture) -> tuple[float, float, float, float] | None:
    """Part of the picture that the grid covers, as x, y, width and height in its pixels.

    None if the run does not say and the shapes do not tell: a map in the wrong place misleads.
    """
    width, height = float(picture.width), float(picture.height)
    if heat.crop:
        side = min(width, height) * heat.crop
        return (width - side) / 2, (height - side) / 2, side, side
    ratio = (width / height) / (heat.width / heat.height)
    cell = 1 + 1 / min(heat.width, heat.height)
    same_shape = 1 / cell <= ratio <= cell
    return (0.0, 0.0, width, height) if heat.crop == 0 or same_shape else None


@cache
def _palette() -> tuple[bytes, bytes]:
    steps = np.linspace(0, 1, N_LEVELS)
    rgb: Any = colormaps[COLOURS](steps)[:, :3]
    alpha = np.rint(255 * (0.25 + 0.55 * steps)).astype(np.uint8)
    return np.rint(255 * rgb).astype(np.uint8).tobytes(), alpha.tobytes()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
