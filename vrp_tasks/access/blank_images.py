"""The same prompts about blank images: pictures are painted, and the stock adapter prepares them.

So whatever a processor does with a picture (padding, tiles, an overview) it does with a blank one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from vrp_tasks.access.base import Asked
from vrp_tasks.seam.requests import with_images

_GREY = 128  # of a processor that subtracts no mean colour


def mean_colour(image_processor: Any) -> tuple[int, int, int]:
    """What becomes zero, or as near as a pixel of 8 bits comes; grey where nothing is subtracted.

    Parameters
    ----------
    image_processor : ImageProcessor
        Any.
    """
    mean = getattr(image_processor, "image_mean", None)
    if mean is None or not getattr(image_processor, "do_normalize", False):
        return (_GREY,) * 3
    scaled = getattr(image_processor, "do_rescale", True)
    factor = getattr(image_processor, "rescale_factor", None) or 1 / 255
    level = np.broadcast_to(np.asarray(mean, float), 3) / (factor if scaled else 1)
    red, green, blue = np.clip(np.rint(level), 0, 255).astype(int).tolist()
    return red, green, blue


def about_blanks(asked: Asked, colour: tuple[int, int, int]) -> Asked:
    """The same requests, each picture a plain one of its size."""
    own = [
        with_images(request, lambda _doc, image: Image.new("RGB", image.size, colour))
        for request in asked.requests
    ]
    return replace(asked, requests=own, observers=())


@dataclass
class Blanks:
    """Inputs of ``generate`` by the documents of a batch; a handler of `serve` that answers none.

    Attributes
    ----------
    why_not : str or None
        Why there are none.
    """

    why_not: str | None = None
    _found: dict[tuple[str, ...], dict[str, torch.Tensor]] = field(default_factory=dict)

    def __call__(
        self, inputs: dict[str, torch.Tensor], _options: Mapping[str, Any], docs: Sequence[str]
    ) -> torch.Tensor:
        """Keep a batch; its prompts are returned, with a token that adapters may take off."""
        self._found[tuple(docs)] = inputs
        ids = inputs["input_ids"]
        return torch.cat([ids, ids[:, -1:]], dim=1)

    def of(
        self, docs: Sequence[str], inputs: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor] | str:
        """Those of a batch that are prompts of the same tokens, or why there are none."""
        if self.why_not is not None:
            return self.why_not
        found = self._found.pop(tuple(docs), None)
        if found is None or not torch.equal(found["input_ids"], inputs["input_ids"]):
            return "the model's adapter makes another prompt of a blank image"
        return found
