"""From regions of the original image to cells of the grid."""

from __future__ import annotations

import numpy as np

from vrp_tasks.errors import UnmappedError
from vrp_tasks.families.window import Window
from vrp_tasks.grounding.regions import Region


def region_on_grid(region: Region, window: Window, grid: tuple[int, int]) -> np.ndarray:
    """Share of each cell that lies inside a region.

    Parameters
    ----------
    region : Region
    window : Window
        From `window_of`, for the image of the region, less what no token shows.
    grid : (int, int)
        Height and width in image tokens.

    Returns
    -------
    float array, shape (height, width)

    Raises
    ------
    UnmappedError
        If the model sees no part of the region.
    """
    shares = region.share_inside(*window.edges(grid))
    if not shares.any():
        raise UnmappedError("the region lies in the part of the image that is cropped away")
    return shares
