"""Galleries: samples with several maps each, over their picture and beside their region."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.results.aggregate import Board
from leaderboard.results.overlays import Look

MAX_RUNS = 30


@dataclass(frozen=True)
class Gallery:
    """Samples of one run that a part of the report shows."""

    title: str
    looks: tuple[Look, ...]


def grounding_galleries(board: Board, task: str) -> list[Gallery]:
    """The samples whose maps were kept, of each run.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    list of Gallery
    """
    return [
        Gallery(run.label, result.grounding.looks)
        for run, result in board.of_task(task)[:MAX_RUNS]
        if result.grounding is not None and result.grounding.looks
    ]


@dataclass(frozen=True)
class LookView:
    """One sample laid out.

    ``picture_id`` is empty if the report does not hold the picture; then ``width``, ``height`` and
    ``area`` are in cells, else in pixels.
    """

    look: Look
    picture_id: str
    width: float
    height: float
    area: tuple[float, float, float, float]

    @property
    def to_area(self) -> str:
        """SVG transform from cells of the grid to the part of the picture that it covers."""
        x, y, width, height = self.area
        rows, columns = self.look.grid
        return f"translate({x:g} {y:g}) scale({width / columns:.5g} {height / rows:.5g})"


@dataclass(frozen=True)
class GalleryView:
    """A gallery laid out."""

    title: str
    looks: tuple[LookView, ...]


def gallery_view(gallery: Gallery, picture_ids: dict[str, str]) -> GalleryView:
    """Lay out a gallery.

    Parameters
    ----------
    gallery : Gallery
        Of one run.
    picture_ids : dict of str to str
        Pictures that the report holds, as `leaderboard.report.browser.Album` names them.

    Returns
    -------
    GalleryView
    """
    return GalleryView(gallery.title, tuple(_view(look, picture_ids) for look in gallery.looks))


def _view(look: Look, picture_ids: dict[str, str]) -> LookView:
    picture_id = picture_ids.get(look.picture.jpeg, "")
    if picture_id:
        width, height = float(look.picture.width), float(look.picture.height)
        return LookView(look, picture_id, width, height, look.area)
    rows, columns = float(look.grid[0]), float(look.grid[1])
    return LookView(look, "", columns, rows, (0.0, 0.0, columns, rows))
