"""Pictures that one image is handed over as (tiles, an overview), and one grid over all of them.

Tokens of a tiled image fill no grid, but those of each tile do. A canvas is the grid of the finest
picture continued over the whole image; what belongs to a token is spread over the cells it shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

_FINE = 1.1  # of the smallest cell: what is as fine
_NEAR = (0.85, 1.05)  # of the number of cells that the smallest suggests
_OFF = 0.5  # of a cell: how far a token may be from its place
_LEAST_SEEN = 1 / 3  # of the tokens; newlines and padding show nothing
_LEAST_COVERED = 0.5  # of each cell of a canvas
_LIKE = (0.5, 1.5)  # of a step between two rows: what the next one may be


class Rectangle(NamedTuple):
    """Edges as shares of the image's height and width; may reach over it (padding)."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class View:
    """One picture of an image, whose tokens fill a grid.

    Attributes
    ----------
    rectangle : Rectangle
        What it shows.
    height, width : int
        Of its grid.
    positions : int array, shape (height * width,)
        Its tokens among the image's, row by row.
    """

    rectangle: Rectangle
    height: int
    width: int
    positions: np.ndarray


@dataclass(frozen=True)
class Canvas:
    """One grid over the whole of an image.

    Attributes
    ----------
    grid : (int, int)
        Height and width.
    overlap : sparse float array, shape (n_tokens, height * width)
        Share of each cell that a token shows; zero for a token that shows nothing.
    """

    grid: tuple[int, int]
    overlap: sparse.csr_array

    @property
    def n_tokens(self) -> int:
        """Of the image, those that show nothing too."""
        return int(self.overlap.shape[0])

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """Weights of tokens on cells, by the area that a token has there.

        Parameters
        ----------
        weights : float array, shape (n, n_tokens)

        Returns
        -------
        float array, shape (n, height * width)
            With the same sums, less what tokens have that show no part of the image.
        """
        area = self.overlap.sum(axis=1)
        part = np.divide(1.0, area, out=np.zeros_like(area), where=area > 0)
        found: np.ndarray = (weights * part) @ self.overlap
        return found

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Values of tokens at cells: the mean of those that show a cell, by area.

        Parameters
        ----------
        values : float array, shape (n, n_tokens)

        Returns
        -------
        float array, shape (n, height * width)
        """
        found: np.ndarray = (values @ self.overlap) / self.overlap.sum(axis=0)
        return found

    def share_in(self, cells: np.ndarray) -> np.ndarray:
        """How much of what each token shows lies in chosen cells.

        Parameters
        ----------
        cells : bool array, shape (height * width,)

        Returns
        -------
        float array, shape (n_tokens,)
            Between 0 and 1; 0 for a token that shows nothing.
        """
        area = self.overlap.sum(axis=1)
        own = self.overlap @ cells.astype(np.float64)
        found: np.ndarray = np.divide(own, area, out=np.zeros_like(area), where=area > 0)
        return found

    def one_by_one(self) -> np.ndarray | None:
        """Its tokens cell by cell, int (height * width,), where each has a cell; else None."""
        own = np.asarray(self.overlap.argmax(axis=0)).ravel()
        whole = len(own) == self.n_tokens and len(np.unique(own)) == len(own)
        return own if whole else None


def misplaced(places: np.ndarray, grid: tuple[int, int]) -> str | None:
    """Why tokens are not where an even grid, row by row, has them; None if they are.

    The grid may cover more than the image, or less: it is laid over the places as fits best.
    """
    height, width = grid
    by_cell = places.reshape(height, width, 2)
    for axis, (cells, name) in enumerate(((height, "rows"), (width, "columns"))):
        index = np.indices((height, width))[axis] + 0.5
        own = by_cell[..., axis]
        seen = ~np.isnan(own)
        if seen.sum() < max(2, seen.size * _LEAST_SEEN):
            return f"{int((~seen).sum())} of {seen.size} image tokens do not depend on the image"
        if cells == 1:
            continue
        slope, start = np.polyfit(index[seen], own[seen], 1)
        if not slope > 0:
            return f"the {name} of the {height} x {width} grid do not run along the image"
        off = float(np.abs((own[seen] - start) / slope - index[seen]).max())
        if off > _OFF:
            return f"image tokens are away from their {name} of the {height} x {width} grid"
    return None


def views_of(places: np.ndarray) -> list[View] | str:
    """Pictures that make up an image, found in the places of its tokens.

    A row of tokens ends where the next one is not to the right, or lower or higher; a picture ends
    where the next row is not below, has another length or begins elsewhere.

    Parameters
    ----------
    places : float array, shape (n_tokens, 2)
        Down and across as shares of the image, NaN for a token that shows nothing.

    Returns
    -------
    list of View, or str
        In the order of their tokens; or why there are none.
    """
    seen = np.flatnonzero(~np.isnan(places).any(axis=1))
    if len(seen) < max(2, len(places) * _LEAST_SEEN):
        lost = len(places) - len(seen)
        return f"{lost} of {len(places)} image tokens do not depend on the image"
    pictures = [
        (np.concatenate(rows), (len(rows), len(rows[0])))
        for rows in _pictures(places, _rows(places, seen))
    ]
    for positions, grid in pictures:
        if max(grid) > 1 and (wrong := misplaced(places[positions], grid)) is not None:
            return wrong
    steps = [_steps(places[positions], grid) for positions, grid in pictures]
    views = []
    for (positions, grid), own in zip(pictures, steps, strict=True):
        cell = _like(own, steps)
        if cell is None:
            return f"image tokens make up a picture of {grid[0]} x {grid[1]}, which is no grid"
        views.append(View(_rectangle(places[positions], grid, cell), *grid, positions))
    return views


def canvas_of(views: list[View], n_tokens: int) -> Canvas | str:
    """The grid of the finest picture over the whole image, or why some of it is not shown.

    Parameters
    ----------
    views : list of View
        Of one image, at least one.
    n_tokens : int
        Of the image, those that show nothing too.
    """
    down = [(own.rectangle.top, own.rectangle.bottom, own.height) for own in views]
    across = [(own.rectangle.left, own.rectangle.right, own.width) for own in views]
    grid = _cells(down), _cells(across)
    parts, tokens = [], []
    for own in views:
        rows = _shares(own.rectangle.top, own.rectangle.bottom, own.height, grid[0])
        columns = _shares(own.rectangle.left, own.rectangle.right, own.width, grid[1])
        parts.append(sparse.kron(rows, columns, format="csr"))
        tokens.append(own.positions)
    places = np.concatenate(tokens)
    place = sparse.csr_array(
        (np.ones(len(places)), (places, np.arange(len(places)))), (n_tokens, len(places))
    )
    overlap = sparse.csr_array(place @ sparse.vstack(parts))
    if (overlap.sum(axis=0) < _LEAST_COVERED).any():
        return "image tokens show only a part of the image"
    return Canvas(grid, overlap)


def _cells(sides: list[tuple[float, float, int]]) -> int:
    """How many cells of the finest pictures' size an image has along a side.

    ``sides`` are start, stop and cells of each. Measured edges are off by some of a cell, so of the
    numbers near by the one counts that fits edges and sizes best.
    """
    least = min((stop - start) / cells for start, stop, cells in sides)
    finest = [own for own in sides if (own[1] - own[0]) / own[2] < _FINE * least]

    def off(n: int) -> float:
        edges = [edge * n - round(edge * n) for own in finest for edge in own[:2]]
        sizes = [(stop - start) * n - cells for start, stop, cells in finest]
        return float(np.abs(edges).sum() + np.abs(sizes).sum() / 2)

    near = range(max(1, math.floor(_NEAR[0] / least)), max(1, math.ceil(_NEAR[1] / least)) + 1)
    return min(near, key=off)


def _rows(places: np.ndarray, seen: np.ndarray) -> list[np.ndarray]:
    """Runs of tokens from left to right on one height."""
    down, across = places[seen].T
    steps = np.diff(down)[np.diff(across) <= 0]  # from the end of a row to the next
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    ends = (np.diff(across) <= 0) | (np.abs(np.diff(down)) > _OFF * step)
    return np.split(seen, np.flatnonzero(ends) + 1)


def _pictures(places: np.ndarray, rows: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Runs of rows below each other."""
    found: list[list[np.ndarray]] = []
    widths = [np.ptp(places[row, 1]) / (len(row) - 1) for row in rows if len(row) > 1]
    usual = float(np.median(widths)) if widths else 0.0
    step = None
    for row in rows:
        last = found[-1][-1] if found else None
        width = usual if len(row) == 1 else float(np.ptp(places[row, 1]) / (len(row) - 1))
        if last is None or len(last) != len(row) or not _is_below(places[last], places[row], width):
            found.append([row])
            step = None
            continue
        down = float(places[row, 0].mean() - places[last, 0].mean())
        if step is not None and not _LIKE[0] * step < down < _LIKE[1] * step:
            found.append([row])
            step = None
            continue
        found[-1].append(row)
        step = down if step is None else step
    return found


def _is_below(first: np.ndarray, second: np.ndarray, width: float) -> bool:
    """Whether a row of the same length stands under another, in columns of a width."""
    aligned = np.abs(first[:, 1] - second[:, 1]).max() <= _OFF * width
    return bool(aligned and second[:, 0].mean() > first[:, 0].mean())


def _steps(places: np.ndarray, grid: tuple[int, int]) -> list[float | None]:
    """Height and width of a picture's cells, None along a side of one cell."""
    return [
        None if cells == 1 else float(np.polyfit(np.indices(grid)[axis].ravel(), side, 1)[0])
        for axis, (cells, side) in enumerate(zip(grid, places.T, strict=True))
    ]


def _like(own: list[float | None], others: list[list[float | None]]) -> tuple[float, float] | None:
    """Size of a cell; what a picture of one row or column does not tell, one like it does."""
    for other in (own, *others):
        down, across = (a if a is not None else b for a, b in zip(own, other, strict=True))
        is_like = all(
            a is None or b is None or math.isclose(a, b, rel_tol=_FINE - 1)
            for a, b in zip(own, other, strict=True)
        )
        if is_like and down is not None and across is not None and own != [None, None]:
            return down, across
    return None


def _rectangle(places: np.ndarray, grid: tuple[int, int], cell: tuple[float, float]) -> Rectangle:
    """What an even grid of cells of a size covers, laid over places as fits best."""
    (top, left) = places.mean(axis=0) - np.multiply(grid, cell) / 2
    return Rectangle(
        float(top), float(left), float(top + grid[0] * cell[0]), float(left + grid[1] * cell[1])
    )


def _shares(start: float, stop: float, cells: int, n: int) -> sparse.csr_array:
    """Share of each of n equal parts of [0, 1] that each of some cells covers, (cells, n)."""
    own = np.linspace(start, stop, cells + 1)
    parts = np.linspace(0, 1, n + 1)
    low = np.maximum(own[:-1, None], parts[None, :-1])
    high = np.minimum(own[1:, None], parts[None, 1:])
    return sparse.csr_array(np.clip(high - low, 0, None) * n)
