"""Annotated regions of an image: checked, in its own pixels.

A task's ``regions`` function returns, for a document, None or
``{"boxes": [[x0, y0, x1, y1], …], "mask": bool array or None, "size": [width, height]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vrp_tasks.errors import UnmappedError

_SLACK = 1.0  # pixels by which a box may reach over the edge: annotations are rounded


@dataclass(frozen=True)
class Region:
    """A union of rectangles: ``covered[i, j]`` is between ``y[i : i + 2]`` and ``x[j : j + 2]``.

    Attributes
    ----------
    width, height : int
        Of the image, in pixels.
    x, y : float array
        Rising coordinates in pixels, within the image.
    covered : bool array, shape (len(y) - 1, len(x) - 1)
        Which rectangles belong to the region.
    """

    width: int
    height: int
    x: np.ndarray
    y: np.ndarray
    covered: np.ndarray

    @property
    def area(self) -> float:
        """In pixels."""
        return float(np.diff(self.y) @ self.covered @ np.diff(self.x))

    def share_inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Share of each cell of a grid that lies inside, exactly.

        Parameters
        ----------
        x, y : float array, shape (n_columns + 1,) and (n_rows + 1,)
            Rising edges of the cells, in pixels; they may lie outside the image.

        Returns
        -------
        float array, shape (n_rows, n_columns)
        """
        inside = _overlaps(y, self.y) @ self.covered @ _overlaps(x, self.x).T
        shares: np.ndarray = inside / (np.diff(y)[:, None] * np.diff(x)[None, :])
        found: np.ndarray = np.clip(shares, 0.0, 1.0)
        return found

    def pixels(self) -> np.ndarray:
        """Bool (height, width): every pixel that the region touches."""
        if self.covered.shape == (self.height, self.width):  # a mask: its rectangles are pixels
            return self.covered.copy()
        edges = np.arange(self.width + 1.0), np.arange(self.height + 1.0)
        return self.share_inside(*edges) > 1e-9


def region_of(annotation: Mapping[str, Any] | None, size: tuple[int, int]) -> Region:
    """Check an annotation.

    Parameters
    ----------
    annotation : mapping or None
        What a task's ``regions`` function returned.
    size : (int, int)
        Width and height of the image that the model is shown.

    Returns
    -------
    Region

    Raises
    ------
    UnmappedError
        If there is none, or it is empty, reaches outside the image, or is of another image size.
    """
    if annotation is None:
        raise UnmappedError("the sample has no annotated region")
    width, height = size
    stated = _stated_size(annotation.get("size"))
    if stated != (width, height):
        raise UnmappedError(
            f"the annotation is of a {stated[0]} x {stated[1]} image, "
            f"the image is {width} x {height}"
        )
    mask = annotation.get("mask")
    if mask is not None:
        return _of_mask(np.asarray(mask, dtype=bool), width, height)
    boxes = annotation.get("boxes")
    if boxes is None or not len(boxes):
        raise UnmappedError("the sample has no annotated region")
    try:
        corners = np.array(boxes, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise UnmappedError("the annotated boxes are not lists of x0, y0, x1, y1")
    return _of_boxes(corners, width, height)


def _stated_size(size: Any) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in size)
    except (TypeError, ValueError):
        raise UnmappedError("the annotation does not say the image's width and height") from None
    return width, height


def _of_mask(mask: np.ndarray, width: int, height: int) -> Region:
    if mask.shape != (height, width):
        raise UnmappedError(f"the mask has shape {mask.shape}, the image {(height, width)}")
    if not mask.any():
        raise UnmappedError("the annotated mask is empty")
    return Region(width, height, np.arange(width + 1.0), np.arange(height + 1.0), mask)


def _of_boxes(boxes: np.ndarray, width: int, height: int) -> Region:
    for x0, y0, x1, y1 in boxes.tolist():
        shown = f"the box [{x0:g}, {y0:g}, {x1:g}, {y1:g}]"
        if not (x1 > x0 and y1 > y0):  # NaN too
            raise UnmappedError(f"{shown} has no area")
        within = min(x0, y0) >= -_SLACK and x1 <= width + _SLACK and y1 <= height + _SLACK
        if not within or x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            raise UnmappedError(f"{shown} reaches outside the {width} x {height} image")
    clipped = np.clip(boxes, 0, [width, height, width, height])
    x, y = np.unique(clipped[:, [0, 2]]), np.unique(clipped[:, [1, 3]])
    covered = np.zeros((len(y) - 1, len(x) - 1), dtype=bool)
    for x0, y0, x1, y1 in clipped:
        covered |= ((y[:-1] >= y0) & (y[1:] <= y1))[:, None] & ((x[:-1] >= x0) & (x[1:] <= x1))
    return Region(width, height, x, y, covered)


def _overlaps(cells: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Length that each cell shares with each interval, (n_cells, n_intervals)."""
    low = np.maximum(cells[:-1, None], intervals[None, :-1])
    high = np.minimum(cells[1:, None], intervals[None, 1:])
    found: np.ndarray = np.maximum(high - low, 0.0)
    return found
