"""The sample browser: which pictures the report holds, each once, and how a sample is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from leaderboard.report.parts import PARTS
from leaderboard.results.aggregate import Board
from leaderboard.results.overlays import Look
from leaderboard.runs.images import HeatMap, Picture, covered, overlay_png
from leaderboard.runs.samples import Example, Showcase, SignalValue
from leaderboard.tables.cells import figure
from leaderboard.tables.text import clean

# Of base64: with 30 runs the rest of the file is about as large again.
MAX_ALBUM = 3_500_000
MAX_REASON = 120
TOO_MANY = "left out to keep this file small; pictures of a run's first samples are in it"


@dataclass(frozen=True)
class Album:
    """Every picture of the report, once: models asked about the same image share it."""

    ids: dict[str, str]
    pictures: tuple[Picture, ...]
    n_left_out: int


@dataclass(frozen=True)
class Overlay:
    """An attention map over a picture, or alone; in the units of its figure."""

    png: str
    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class View:
    """One sample laid out: a figure if there is a picture or a map, and why a part is missing."""

    example: Example
    picture_id: str
    width: float
    height: float
    overlay: Overlay | None
    absent: tuple[str, ...]
    score: SignalValue | None
    headline: tuple[SignalValue, ...]
    others: tuple[SignalValue, ...]


@dataclass(frozen=True)
class Shelf:
    """The samples of one run: the confident errors and the doubted right answers."""

    label: str
    signal: str
    confident_errors: tuple[View, ...]
    doubted_right: tuple[View, ...]

    @cached_property
    def names(self) -> dict[str, int]:
        """Signals that are no headline, as they are written, and the number that stands for each.

        With them every sample's list would be most of a large report.
        """
        views = (*self.confident_errors, *self.doubted_right)
        return {
            n: i for i, n in enumerate(dict.fromkeys(_name(s) for v in views for s in v.others))
        }

    def lines(self, view: View) -> str:
        """A line for each of them: number, value and share below, or why it has none."""
        return "\n".join(f"{self.names[_name(signal)]}\t{_told(signal)}" for signal in view.others)


def album_of(board: Board, *, limit: int = MAX_ALBUM) -> Album:
    """Pictures of the samples that are shown, each run's first ones first, up to a total size.

    Parameters
    ----------
    board : Board
        All results.
    limit : int, default 3,500,000
        Characters of base64 in all.

    Returns
    -------
    Album
    """
    shelves: list[Sequence[Example | Look]] = [
        gallery.looks
        for part in PARTS
        for task in board.tasks
        for gallery in part.galleries(board, task)
    ]
    shelves += [
        side
        for run in board.runs
        for result in run.tasks
        if result.showcase is not None
        for side in (result.showcase.confident_errors, result.showcase.doubted_right)
    ]
    longest = max((len(shelf) for shelf in shelves), default=0)
    in_order = [shelf[i].picture for i in range(longest) for shelf in shelves if i < len(shelf)]
    chosen: dict[str, Picture] = {}
    left_out, used = set(), 0
    for picture in in_order:
        if not picture.jpeg or picture.jpeg in chosen or picture.jpeg in left_out:
            continue
        if used + len(picture.jpeg) > limit:
            left_out.add(picture.jpeg)
            continue
        used += len(picture.jpeg)
        chosen[picture.jpeg] = picture
    ids = {jpeg: f"picture-{number}" for number, jpeg in enumerate(chosen)}
    return Album(ids, tuple(chosen.values()), len(left_out))


def shelf_of(label: str, showcase: Showcase, album: Album) -> Shelf:
    """Lay out the samples of one run.

    Parameters
    ----------
    label : str
        Of the run.
    showcase : Showcase
        Its samples.
    album : Album
        The pictures that the report holds.

    Returns
    -------
    Shelf
    """
    sides = (showcase.confident_errors, showcase.doubted_right)
    errors, right = (
        tuple(_view(example, showcase.signal, album) for example in side) for side in sides
    )
    return Shelf(label, showcase.label, errors, right)


def _view(example: Example, signal: str, album: Album) -> View:
    picture, heat = example.picture, example.heat
    picture_id = album.ids.get(picture.jpeg, "")
    overlay, reason = _overlay(heat, picture if picture_id else None)
    absent = [] if picture_id else [f"No image: {picture.reason or TOO_MANY}."]
    absent += [] if overlay else [f"No attention map: {reason}."]
    shown = [s for s in example.signals if s.headline]
    others = [s for s in example.signals if not s.headline]
    width, height = (picture.width, picture.height) if picture_id else (heat.width, heat.height)
    return View(
        example,
        picture_id,
        float(width),
        float(height),
        overlay,
        tuple(absent),
        next((s for s in example.signals if s.name == signal and s.value is not None), None),
        tuple(shown),
        tuple(others),
    )


def _name(signal: SignalValue) -> str:
    mark = "" if signal.access == "deployable" else f" ({signal.access})"
    unit = f" ({signal.unit})" if signal.unit else ""
    return f"{signal.label}{mark}{unit}"


def _told(signal: SignalValue) -> str:
    if signal.value is None or signal.rank is None:
        return f"– {clean(signal.reason, limit=MAX_REASON)}"
    return f"{figure(signal.value, '{:.4g}')}\t{100 * signal.rank:.0f}"


def _overlay(heat: HeatMap, picture: Picture | None) -> tuple[Overlay | None, str]:
    """The map where it belongs on the picture, alone without one, or why there is none."""
    if not heat.levels:
        return None, heat.reason
    area = (0.0, 0.0, float(heat.width), float(heat.height))
    if picture is not None:
        found = covered(heat, picture)
        if found is None:
            return None, "the run does not say which part of the image its grid covers"
        area = found
    cells = heat.width * heat.height
    text = (
        f"{heat.height} × {heat.width} cells, mean over layers; the brightest has "
        f"{100 * heat.peak:.2g} % of the attention to the image (even: {100 / cells:.2g} %)"
    )
    return Overlay(overlay_png(heat), *area, text), ""
