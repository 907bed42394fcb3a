"""Blank the annotated region, or an equal area elsewhere, and ask again.

Pixels are replaced in the image that the task gives to the adapter, before any of its own
preparation, so resizing or compression cannot carry anything of the region over its edge.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from vrp_tasks.errors import UnmappedError
from vrp_tasks.families.window import Window
from vrp_tasks.grounding.regions import Region
from vrp_tasks.seam.requests import with_images

_DRAWS = 500  # places tried before an image is said to have no room elsewhere

# document, image -> bool array of its pixels
Pixels = Callable[[Any, Image.Image], np.ndarray]


def region_pixels(region: Region, window: Window) -> np.ndarray:
    """Every pixel of the region that the model sees any part of, bool (height, width).

    Raises
    ------
    UnmappedError
        If there is none.
    """
    seen = np.zeros((region.height, region.width), dtype=bool)
    seen[_visible(region, window)] = True
    found = region.pixels() & seen
    if not found.any():
        raise UnmappedError("the model sees no pixel of the region")
    return found


def elsewhere_pixels(region: Region, window: Window, *, seed: int) -> np.ndarray:
    """The same pixels moved to a random place that the model sees and the region does not touch.

    Parameters
    ----------
    region : Region
    window : Window
        What the model sees of the image.
    seed : int
        With the pixels themselves it fixes the place.

    Returns
    -------
    bool array, shape (height, width)
        As many pixels as `region_pixels` has.

    Raises
    ------
    UnmappedError
        If the model sees no pixel of the region, or no place was found.
    """
    own = region_pixels(region, window)
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    shape = own[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ys, xs = _visible(region, window)
    room_y = ys.stop - ys.start - shape.shape[0] + 1
    room_x = xs.stop - xs.start - shape.shape[1] + 1
    rng = np.random.default_rng([seed, zlib.crc32(np.packbits(own).tobytes())])
    for _ in range(_DRAWS):
        y, x = ys.start + rng.integers(room_y), xs.start + rng.integers(room_x)
        place = slice(y, y + shape.shape[0]), slice(x, x + shape.shape[1])
        if not (own[place] & shape).any():
            moved = np.zeros_like(own)
            moved[place] = shape
            return moved
    raise UnmappedError("no equal area was found that the region does not touch")


def blanked(image: Image.Image, pixels: np.ndarray) -> Image.Image:
    """A copy with some pixels at the image's mean colour, opaque; transparency elsewhere stays.

    What is transparent counts as white, as image processors show it.
    """
    if not image.has_transparency_data:
        values = np.array(image.convert("RGB"))
        values[pixels] = _mean_colour(values)
        return Image.fromarray(values)
    layered = image.convert("RGBA")
    shown = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    values = np.array(layered)
    values[pixels] = [*_mean_colour(np.array(shown.convert("RGB"))), 255]
    return Image.fromarray(values)


def _mean_colour(values: np.ndarray) -> np.ndarray:
    colour: np.ndarray = np.rint(values.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    return colour


def occluded_request(request: Any, pixels: Pixels) -> Any:
    """A request whose images are blanked as they are taken from the document.

    Parameters
    ----------
    request : Instance
        Of lmms-eval; its callable argument makes images or messages of a document.
    pixels : callable
        What to blank.
    """
    return with_images(request, lambda doc, image: blanked(image, pixels(doc, image)))


def _visible(region: Region, window: Window) -> tuple[slice, slice]:
    """Rows and columns of pixels that the grid covers at least in part."""
    top, bottom = max(0, int(window.top)), min(region.height, int(np.ceil(window.bottom)))
    left, right = max(0, int(window.left)), min(region.width, int(np.ceil(window.right)))
    return slice(top, bottom), slice(left, right)
