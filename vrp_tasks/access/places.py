"""Where the image tokens of a checkpoint look: at a grid, at several pictures, or nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from PIL import Image
from transformers import PreTrainedModel

from vrp_tasks.access.identity import center_crop
from vrp_tasks.access.tried import Geometry, geometry_of
from vrp_tasks.capture.layouts import Layouts
from vrp_tasks.capture.trial import Processing
from vrp_tasks.capture.views import Canvas
from vrp_tasks.errors import UnmappedError
from vrp_tasks.families import Family, Found
from vrp_tasks.families.window import Window, window_of


class Places:
    """What is declared, or measured when it is first asked for.

    Parameters
    ----------
    model, family
        The checkpoint's.
    processing : Processing
        Its processor as the stock adapter calls it.
    """

    def __init__(self, model: PreTrainedModel, family: Family, processing: Processing) -> None:
        self._model, self._family, self._processing = model, family, processing

    @property
    def complaint(self) -> str | None:
        """Why attention maps cannot be read as pictures, or None."""
        return self._geometry.complaint

    def canvas(self, shown: Callable[[], Sequence[Any]]) -> Canvas | str | None:
        """Of what a prompt shows; None where tokens fill a grid, else why there is none.

        A found family tells no image from the next: tokens of four fill a square as one's do.
        """
        if not isinstance(self._family, Found):
            return None
        visuals = shown()
        if len(visuals) != 1 or not isinstance(visuals[0], Image.Image):
            return f"the sample has {len(visuals)} visuals instead of one image"
        layouts = self._geometry.layouts
        return None if layouts is None else layouts.canvas(visuals[0].size[::-1])

    def window(self, size: tuple[int, int]) -> Window:
        """What tokens show of an image of this width and height; a canvas covers all of it.

        Raises
        ------
        UnmappedError
            If it is neither declared nor found.
        """
        if self._geometry.layouts is not None:
            return Window(0.0, 0.0, *map(float, size))
        try:
            seen = window_of(self._processing.image_processor, size)
        except UnmappedError:
            if not isinstance(self._family, Found):
                raise
            return self._measured(size)
        return seen.shown(self._family.shown_share(self._model.config))

    def center_crop(self) -> float | None:
        """As `vrp_tasks.access.identity.center_crop`."""
        if self._geometry.layouts is not None:
            return 0.0
        shown = self._family.shown_share(self._model.config)
        return center_crop(self._processing.image_processor, shown=shown)

    @cached_property
    def _geometry(self) -> Geometry:
        return geometry_of(self._model, self._family, self._processing)

    @cached_property
    def _layouts(self) -> Layouts:
        return Layouts(self._model, self._family, self._processing)

    def _measured(self, size: tuple[int, int]) -> Window:
        width, height = size
        found = self._layouts.rectangle((height, width))
        if isinstance(found, str):
            raise UnmappedError(found)
        return Window(
            found.left * width, found.top * height, found.right * width, found.bottom * height
        )
