"""Which place of an image each image token stands for, measured.

Every self-attention of the vision side is turned off, a grey image gets one stripe of noise at a
time, and the decoder's input is read: each token then answers to its own pixels only. A token's
place is the centre of the stripes it answers to, weighted by how strongly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from vrp_tasks.capture.trial import inputs_about
from vrp_tasks.capture.views import misplaced
from vrp_tasks.families import Family
from vrp_tasks.families.anatomy import find_body
from vrp_tasks.seam.attention_implementation import attending_with, attention_configs
from vrp_tasks.seam.torch_attention import changed_attention

BLIND = "vrp_blind"
SHAPES = ((112, 168), (160, 96))  # height and width in pixels: wide and tall
_GREY = 128
_TOGETHER = 8
_FAINT = 1e-3  # of the strongest answer: what a newline or padding shows


class _SeenError(Exception):
    """The decoder's input has been read; the rest of the pass is not needed."""


def _without_self(query: torch.Tensor, key: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Nothing where positions attend to each other; pooling makes the tokens, so it stays."""
    return torch.zeros_like(output) if query.shape[-2] == key.shape[-2] else output


def _blind(
    module: Any, query: torch.Tensor, key: torch.Tensor, *args: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    output, _ = sdpa_attention_forward(module, query, key, *args, **options)
    return _without_self(query, key, output), None


AttentionInterface.register(BLIND, _blind)
AttentionMaskInterface.register(BLIND, sdpa_mask)


@contextmanager
def blind_vision(model: PreTrainedModel) -> Iterator[None]:
    """No self-attention outside the decoder, also in towers that call torch's directly."""
    own = {id(m) for m in find_body(model).module.modules()}
    outside = attention_configs(m for m in model.modules() if id(m) not in own)
    with attending_with(BLIND, outside), changed_attention(_without_self):
        yield


@torch.no_grad()
def check_stripes(
    model: PreTrainedModel,
    family: Family,
    processor: Any,
    *,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> str | None:
    """See that a family's grids are where the image tokens are, on several shapes of image.

    Parameters
    ----------
    model : PreTrainedModel
        Its vision side is run some fifty times a shape, its decoder never.
    family : Family
        Whose `Family.grids_of_prompts` is checked.
    processor : ProcessorMixin
        Of the checkpoint.
    shapes : sequence of (int, int)
        Height and width in pixels.

    Returns
    -------
    str or None
        Why maps of this checkpoint cannot be read as pictures, or None.
    """
    for size in shapes:
        inputs = inputs_about(model, processor, [Image.new("RGB", size[::-1], (_GREY,) * 3)])
        image = family.image_tokens(model.config, inputs["input_ids"])[0]
        grids = family.grids_of_prompts(model.config, inputs, inputs["input_ids"])[0]
        where = f"of an image of {size[1]} x {size[0]} pixels"
        count = int(image.sum())
        if not grids:
            return f"there are no image tokens {where}"
        height, width = grids[0]
        if height * width != count:
            return f"{count} image tokens {where} do not fill one {height} x {width} grid"
        places = token_places(model, family, processor, size, cells=max(height, width))
        if isinstance(places, str):
            return f"{places} ({where})"
        if (wrong := misplaced(places, (height, width))) is not None:
            return f"{wrong} ({where})"
    return None


@torch.no_grad()
def token_places(
    model: PreTrainedModel,
    family: Family,
    processor: Any,
    size: tuple[int, int],
    *,
    cells: int,
    at_once: int = _TOGETHER,
) -> np.ndarray | str:
    """Where each image token of a prompt with one image of this size looks.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    cells : int
        Image tokens along the longer side; there are two stripes for each, at least.
    at_once : int
        Images in one pass.

    Returns
    -------
    float array, shape (n_tokens, 2), or str
        Down and across as shares of the image, NaN for a token that answers to nothing; or why
        there are none.
    """
    n_stripes = [min(max(24, 2 * cells), max(1, side)) for side in size]  # none without a pixel
    edges = [
        np.linspace(0, side, n + 1).round().astype(int)
        for side, n in zip(size, n_stripes, strict=True)
    ]
    painted, read = _painted(size, edges), []
    grey = Image.new("RGB", size[::-1], (_GREY,) * 3)
    with blind_vision(model):
        plain = _given(model, family, processor, [grey] * at_once)
        while part := list(islice(painted, at_once)):
            # as many each time: what a token does not see then changes by no rounding
            images = part + [grey] * (at_once - len(part))
            apart = (_given(model, family, processor, images) - plain).norm(dim=-1)
            read.append(apart[: len(part)].double().cpu().numpy())
    answers = np.concatenate(read)  # (stripes, tokens)
    if not answers.max() > 0:
        return "the image tokens at the decoder's input do not depend on the image"
    places = np.full((answers.shape[1], 2), np.nan)
    for axis in (0, 1):
        own = answers[: n_stripes[0]] if axis == 0 else answers[n_stripes[0] :]
        centres = (edges[axis][:-1] + edges[axis][1:]) / 2 / size[axis]
        total = own.sum(axis=0)
        answering = own.max(axis=0) > _FAINT * answers.max()
        places[answering, axis] = (centres @ own)[answering] / total[answering]
    return places


def _painted(size: tuple[int, int], edges: Sequence[np.ndarray]) -> Iterator[Image.Image]:
    """Grey images with a stripe of noise each, across and then along; one at a time is held."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for axis, own in enumerate(edges):
        for start, stop in pairwise(own):
            stripe = (slice(None),) * axis + (slice(start, stop),)
            painted = np.full((*size, 3), _GREY, np.uint8)
            painted[stripe] = noise[stripe]
            yield Image.fromarray(painted)


def _given(
    model: PreTrainedModel, family: Family, processor: Any, images: list[Image.Image]
) -> torch.Tensor:
    """What the decoder is given at image tokens, float32 (n_images, n_tokens, d_model)."""
    inputs = inputs_about(model, processor, images)
    image = family.image_tokens(model.config, inputs["input_ids"])
    found: list[torch.Tensor] = []

    def read(_module: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append(kwargs["inputs_embeds"])
        raise _SeenError

    handle = find_body(model).module.register_forward_pre_hook(read, with_kwargs=True)
    try:
        model(**inputs)
    except _SeenError:
        pass
    finally:
        handle.remove()
    return found[0][image].float().reshape(len(images), -1, found[0].shape[-1])
