"""Maps laid over the picture they are of, with the annotated region outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.runs.images import (
    HeatMap,
    Picture,
    covered,
    crop_of,
    heat_map,
    overlay_png,
    pictures_of,
)
from leaderboard.runs.read import Run
from metrics.record.records import GROUNDING_MAPS, REGION_MAP, SampleRecord

N_EACH = 3  # right and wrong answers that are shown of a run
SHOWN = tuple(name for name in GROUNDING_MAPS if "." in name)


@dataclass(frozen=True)
class Overlay:
    """One map over its picture; ``text`` says how it scores."""

    name: str
    png: str
    text: str


@dataclass(frozen=True)
class Look:
    """One sample: its picture, its region, and its maps.

    Attributes
    ----------
    prompt, answer, target, correct
        As in the record.
    picture
        Of the sample; without one the maps stand alone.
    area
        Part of the picture that the grid covers: x, y, width and height.
    outline
        SVG path around the cells that the region touches, in units of cells.
    grid
        Height and width in cells.
    overlays
        As many as were kept.
    """

    prompt: str
    answer: str
    target: str | None
    correct: int | None
    picture: Picture
    area: tuple[float, float, float, float]
    outline: str
    grid: tuple[int, int]
    overlays: tuple[Overlay, ...]


def looks_of(run: Run, task: str, columns: dict[str, np.ndarray]) -> tuple[Look, ...]:
    """A few right and wrong answers whose maps were kept, in stored order.

    Parameters
    ----------
    run : Run
        Has the pictures.
    task : str
        One of its tasks.
    columns : dict of str to array
        Of `metrics.record.records.GROUNDING_FILE`, of the task.

    Returns
    -------
    tuple of Look
        Wrong answers first.
    """
    kept = [i for i, cells in enumerate(columns["cells"]) if cells is not None]
    rows: dict[str, dict[str, int]] = {}
    for row in kept:
        rows.setdefault(columns["doc_id"][row], {})[columns["map"][row]] = row
    records = [r for r in run.of_task(task) if REGION_MAP in rows.get(r.doc_id, {}) and r.grid]
    chosen = [r for label in (0, 1) for r in [r for r in records if r.correct == label][:N_EACH]]
    pictures = pictures_of(run, chosen)
    looks = [
        _look(record, rows[record.doc_id], columns, pictures[record.identity], crop_of(run))
        for record in chosen
    ]
    return tuple(look for look in looks if look is not None)


def _look(
    record: SampleRecord,
    rows: dict[str, int],
    columns: dict[str, np.ndarray],
    picture: Picture,
    crop: float | None,
) -> Look | None:
    """None where the stored bytes cannot be those of the record's grid."""
    if record.grid is None:
        return None
    height, width = record.grid
    region = _cells(columns["cells"][rows[REGION_MAP]], height, width)
    if region is None:
        return None
    overlays, area = [], (0.0, 0.0, float(width), float(height))
    for name in SHOWN:
        cells = _cells(columns["cells"][rows[name]], height, width) if name in rows else None
        heat = HeatMap.absent("") if cells is None else heat_map(
            cells.reshape(1, -1), record.grid, crop=crop
        )  # fmt: skip
        if not heat.levels:
            continue
        found = covered(heat, picture) if picture.jpeg else area
        if found is None:
            return None
        area = found
        mass, pointing = columns["mass"][rows[name]], columns["pointing"][rows[name]]
        overlays.append(
            Overlay(name, overlay_png(heat), f"{100 * mass:.0f} % inside, peak {pointing:.2g}")
        )
    return Look(
        record.prompt, record.answer, record.target, record.correct, picture, area,
        outline_of(region), (height, width), tuple(overlays),
    )  # fmt: skip


def _cells(data: bytes, height: int, width: int) -> np.ndarray | None:
    values = np.frombuffer(data, dtype=np.uint8)
    return values.reshape(height, width) if values.size == height * width else None


def outline_of(region: np.ndarray) -> str:
    """SVG path around the cells of a region, in units of cells.

    Parameters
    ----------
    region : uint8 array, shape (height, width)
        255 where a cell lies wholly inside.

    Returns
    -------
    str
        One line per cell edge that separates inside from outside.
    """
    padded = np.pad(region > 0, 1)
    across = [f"M{x} {y}h1" for y, x in _edges(padded[1:, 1:-1] != padded[:-1, 1:-1])]
    down = [f"M{x} {y}v1" for y, x in _edges(padded[1:-1, 1:] != padded[1:-1, :-1])]
    return "".join(across + down)


def _edges(found: np.ndarray) -> Sequence[tuple[int, int]]:
    return [(int(y), int(x)) for y, x in np.argwhere(found)]
