"""From pixels of the original image to cells of the grid, through what the processor does.

The grid always covers a rectangle of the original image evenly, so one rectangle says it all: the
whole image where it is squashed, less than it after a crop, more than it after padding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers.image_transforms import get_resize_output_image_size, get_size_with_aspect_ratio

from vrp_tasks.errors import UnmappedError


@dataclass(frozen=True)
class Window:
    """What the grid covers, in pixels of the original image; may reach over its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def shown(self, share: float) -> Window:
        """The part, from the top left, that is so large a share of the sides."""
        return Window(
            self.left,
            self.top,
            self.left + share * (self.right - self.left),
            self.top + share * (self.bottom - self.top),
        )

    def edges(self, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Edges of the columns and rows of a (height, width) grid."""
        height, width = grid
        return (
            np.linspace(self.left, self.right, width + 1),
            np.linspace(self.top, self.bottom, height + 1),
        )


def window_of(image_processor: Any, size: tuple[int, int]) -> Window:
    """What a processor hands to the model of an image; image tokens show `Window.shown` of it.

    Parameters
    ----------
    image_processor : BaseImageProcessor
        Of the checkpoint.
    size : (int, int)
        Width and height of the image.

    Returns
    -------
    Window

    Raises
    ------
    UnmappedError
        For a processor whose geometry is not known here, such as one that tiles.
    """
    name = type(image_processor).__name__.removesuffix("Fast").removesuffix("Pil")
    find = _WINDOWS.get(name)
    if find is None:
        raise UnmappedError(f"how {name} maps pixels to image tokens is not known")
    return find(image_processor, *size)


def _squashed(_processor: Any, width: int, height: int) -> Window:
    """Resized to the model's size, whatever the shape: any number of times."""
    return Window(0.0, 0.0, float(width), float(height))


def _squashed_if_told(processor: Any, width: int, height: int) -> Window:
    if processor.do_resize and not (processor.size.height and processor.size.width):
        raise UnmappedError("an image processor that keeps the shape is not known here")
    return _squashed(processor, width, height)


def _cropped(processor: Any, width: int, height: int) -> Window:
    """Padded to a square if asked for, resized, and cut around the middle (CLIP, LLaVA)."""
    left = top = 0
    full = (width, height)
    if getattr(processor, "do_pad", None):
        side = max(width, height)
        left, top = (side - width) // 2, (side - height) // 2
        full = (side, side)
    resized = _resized(processor, *full) if processor.do_resize else full
    crop = resized
    if processor.do_center_crop:
        crop = (processor.crop_size.width, processor.crop_size.height)
        if crop[0] > resized[0] or crop[1] > resized[1]:
            raise UnmappedError("the processor pads the image to its crop size")
    edges: list[float] = []
    for extent, small, kept, padding in zip(full, resized, crop, (left, top), strict=True):
        start, scale = (small - kept) // 2, extent / small
        edges += [start * scale - padding, (start + kept) * scale - padding]
    return Window(edges[0], edges[2], edges[1], edges[3])


def _resized(processor: Any, width: int, height: int) -> tuple[int, int]:
    size = processor.size
    if size.shortest_edge and size.longest_edge:
        found = get_size_with_aspect_ratio((height, width), size.shortest_edge, size.longest_edge)
    elif size.shortest_edge:
        like = np.broadcast_to(np.uint8(0), (3, height, width))
        found = get_resize_output_image_size(
            like, size.shortest_edge, default_to_square=False, input_data_format="channels_first"
        )
    elif size.height and size.width:
        found = (size.height, size.width)
    else:
        raise UnmappedError("an image processor that resizes so is not known here")
    return int(found[1]), int(found[0])


_WINDOWS: dict[str, Callable[[Any, int, int], Window]] = {
    "CLIPImageProcessor": _cropped,
    "LlavaImageProcessor": _cropped,
    "SiglipImageProcessor": _squashed_if_told,
    "Qwen2VLImageProcessor": _squashed,  # after any resizing of the adapter's own
}
