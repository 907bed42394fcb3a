"""Where the tokens of images in several pictures look, measured once for each kind of image.

Which tiles an image is cut into depends on its size. Two sizes are of one kind if the processor
makes the same of a ramp that tells every place of an image: then their tokens look at the same
shares of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel

from vrp_tasks.capture.stripes import SHAPES, token_places
from vrp_tasks.capture.trial import inputs_about
from vrp_tasks.capture.views import Canvas, Rectangle, View, canvas_of, views_of
from vrp_tasks.families import Family
from vrp_tasks.faults import ends_run, is_out_of_memory, let_go, reason_of

_SAME = 0.01  # of an image's side: how far apart what two images of one kind show may be
_SAME_EDGE = 0.02  # of an image's side: a picture that ends so near to its edge ends there
_WHOLE = Rectangle(0.0, 0.0, 1.0, 1.0)
_LOOKED_AT = 50_000  # values of each tensor

Size = tuple[int, int]
Ramp = dict[str, tuple[tuple[int, ...], np.ndarray]]


@dataclass(frozen=True)
class _Kind:
    """Images whose tokens look at the same places."""

    n_tokens: int
    ramp: Ramp
    views: list[View] | str
    canvas: Canvas | str


class Layouts:
    """Canvases of a checkpoint by the size of an image.

    Parameters
    ----------
    model : PreTrainedModel
        Its vision side is run some hundred times for each kind of image, its decoder never.
    family : Family
        Of the model.
    processor : ProcessorMixin
        Of the checkpoint.
    """

    def __init__(self, model: PreTrainedModel, family: Family, processor: Any) -> None:
        self._model, self._family, self._processor = model, family, processor
        self._kinds: list[_Kind] = []
        self._by_size: dict[Size, _Kind | str] = {}

    def complaint(self, shapes: Sequence[Size] = SHAPES) -> str | None:
        """Why images of some shape (height, width) have no canvas, or None."""
        for size in shapes:
            found = self.canvas(size)
            if isinstance(found, str):
                return f"{found} (of an image of {size[1]} x {size[0]} pixels)"
        return None

    def canvas(self, size: Size) -> Canvas | str:
        """Of an image of this height and width in pixels, alone in its prompt.

        Returns
        -------
        Canvas or str
            Or why it has none.
        """
        kind = self._kind(size)
        return kind if isinstance(kind, str) else kind.canvas

    def rectangle(self, size: Size) -> Rectangle | str:
        """What the tokens of such an image show of it, edges to `_SAME_EDGE` of its sides.

        Returns
        -------
        Rectangle or str
            The whole of an image in several pictures; or why it is not known.
        """
        kind = self._kind(size)
        if isinstance(kind, str) or isinstance(kind.views, str):
            return kind if isinstance(kind, str) else str(kind.views)
        if len(kind.views) > 1:
            return kind.canvas if isinstance(kind.canvas, str) else _WHOLE
        own = kind.views[0].rectangle
        return Rectangle(
            *(e if abs(e - o) <= _SAME_EDGE else o for e, o in zip(_WHOLE, own, strict=True))
        )

    def _kind(self, size: Size) -> _Kind | str:
        if size not in self._by_size:
            try:
                self._by_size[size] = self._of_its_kind(size)
            except Exception as error:  # whatever a processor or model raises
                if ends_run(error):
                    raise
                why = f"where image tokens look was not measured ({reason_of(error)})"
                self._by_size[size] = why
        return self._by_size[size]

    @torch.no_grad()
    def _of_its_kind(self, size: Size) -> _Kind:
        inputs = inputs_about(self._model, self._processor, [_ramp(*size)])
        image = self._family.image_tokens(self._model.config, inputs["input_ids"])
        n_tokens, ramp = int(image.sum()), _values(inputs)
        for kind in self._kinds:
            if kind.n_tokens == n_tokens and _is_same(kind.ramp, ramp):
                return kind
        views = self._measured(size, n_tokens)
        canvas = views if isinstance(views, str) else canvas_of(views, n_tokens)
        self._kinds.append(_Kind(n_tokens, ramp, views, canvas))
        return self._kinds[-1]

    def _measured(self, size: Size, n_tokens: int) -> list[View] | str:
        cells = math.ceil(math.sqrt(n_tokens * max(size) / min(size)))
        about = (self._model, self._family, self._processor, size)
        try:
            places = token_places(*about, cells=cells)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            let_go(error)
            places = token_places(*about, cells=cells, at_once=1)
        return places if isinstance(places, str) else views_of(places)


def _ramp(height: int, width: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    values = np.full((height, width, 3), 128, np.uint8)
    values[..., 0] = np.linspace(0, 255, width).round()
    values[..., 1] = np.linspace(0, 255, height).round()[:, None]
    return Image.fromarray(values)


def _values(inputs: dict[str, torch.Tensor]) -> Ramp:
    """Some values of each tensor of pixels, between 0 and 1."""
    found: Ramp = {}
    for name, tensor in inputs.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        flat = tensor.flatten()
        draw = np.random.default_rng(0).integers(0, len(flat), min(len(flat), _LOOKED_AT))
        values = flat[torch.from_numpy(draw).to(flat.device)].float().cpu().numpy()
        spread = float(np.ptp(values)) or 1.0
        found[name] = tuple(tensor.shape), ((values - values.min()) / spread).astype(np.float16)
    return found


def _is_same(first: Ramp, second: Ramp) -> bool:
    """Whether both have the same tensors and show the same places."""
    if not first or {n: shape for n, (shape, _) in first.items()} != {
        n: shape for n, (shape, _) in second.items()
    }:
        return False
    return all(
        float(np.abs(values.astype(np.float32) - second[name][1]).max()) <= _SAME
        for name, (_, values) in first.items()
    )
