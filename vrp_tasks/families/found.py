"""A family that nobody declared: what a declared one states, found on the model itself.

What is found is believed only as far as the checks at load go (`vrp_tasks.capture.proof`); what
they refute, or what is not there, stands in ``lacks`` with the reason.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from vrp_tasks.errors import SetupError
from vrp_tasks.families.anatomy import find_body, image_token_id, is_cross_attention
from vrp_tasks.families.base import Family
from vrp_tasks.families.parts import Block, find_blocks

_OUTSIDE = (
    "the image is no part of the prompt: the model reads it through cross-attention, so it has no "
    "image tokens to attend to"
)
# where processors state the height and width of what they hand on
_STATED = ("image_grid_thw", "image_sizes")


class Found(Family):
    """Any ``AutoModelForImageTextToText`` model with one decoder.

    Parameters
    ----------
    model : PreTrainedModel

    Raises
    ------
    SetupError
        For a model that cannot be looked into.
    """

    text_types = ()
    boundary_tokens = ("\n",)
    all_layers_attend = False
    knows_pixels = False

    def __init__(self, model: PreTrainedModel) -> None:
        config = model.config
        if getattr(config, "is_encoder_decoder", False):
            raise SetupError(
                f"a {config.model_type} checkpoint has an encoder and a decoder: its decoder does "
                "not attend to the prompt itself. Use access=text."
            )
        self._body = find_body(model)
        modules = (m for layer in self._body.layers for m in layer.modules())
        self.image_is_outside = any(is_cross_attention(module) for module in modules)
        self._blocks: list[Block] | None = None
        self._gain = _rms_gain(self._body.norm, config.get_text_config().hidden_size)
        self.lacks: dict[str, str] = {}
        if self._gain is None:
            why = f"the final norm is a {type(self._body.norm).__name__}, no RMS norm"
            self.lacks |= {"attribution": why, "top_heads": why}
        if self.image_is_outside:
            self.lacks["attention"] = _OUTSIDE
        elif image_token_id(config) is None:
            raise SetupError(
                f"a {config.model_type} checkpoint names no image token, so where its prompts show "
                "an image is not known. Use access=text."
            )

    def study(self, model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> None:
        """Find, on one prompt, what each layer adds to the stream."""
        found = find_blocks(model, self._body, inputs)
        if isinstance(found, str):
            self.lacks.setdefault("attribution", found)
            self.lacks.setdefault("top_heads", found)
            return
        self._blocks = found

    def decoder(self, model: PreTrainedModel) -> Any:
        """As found."""
        return self._body

    def blocks(self, model: PreTrainedModel) -> list[Block] | None:
        """As studied."""
        return self._blocks

    def final_norm_gain(self, model: PreTrainedModel) -> torch.Tensor:
        """As measured."""
        if self._gain is None:
            raise SetupError(self.lacks["attribution"])
        return self._gain

    def image_tokens(self, config: PretrainedConfig, input_ids: torch.Tensor) -> torch.Tensor:
        """None of the prompt's where the image is read through cross-attention."""
        if self.image_is_outside:
            return torch.zeros_like(input_ids, dtype=torch.bool)
        found: torch.Tensor = torch.eq(input_ids, image_token_id(config) or 0)
        return found

    def shown_share(self, config: PretrainedConfig) -> float:
        """Less than all where the edge of a square image cuts a patch."""
        vision = getattr(config, "vision_config", None)
        size, patch = (getattr(vision, name, None) for name in ("image_size", "patch_size"))
        if not isinstance(size, int) or not isinstance(patch, int) or size < patch:
            return 1.0
        return size // patch * patch / size

    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """From the size that the processor states; only whole batches tell the side of a token."""
        grids = self.grids_of_prompts(config, inputs, inputs["input_ids"])
        return [grid for own in grids for grid in own][index]

    def grids_of_prompts(
        self,
        config: PretrainedConfig,
        inputs: dict[str, torch.Tensor],
        input_ids: torch.Tensor,
    ) -> list[list[tuple[int, int]]]:
        """By the sizes that the processor states, where tokens show equal squares of them.

        Else a square, if the tokens fill one. A grid that the image tokens do not fill is none,
        and what no stripes confirm (`vrp_tasks.capture.stripes`) is not read as a picture.
        """
        counts: list[int] = self.image_tokens(config, input_ids).sum(dim=1).tolist()
        stated = iter(_stated_grids(inputs, sum(counts)))
        grids: list[list[tuple[int, int]]] = []
        for count in counts:
            own: list[tuple[int, int]] = []
            while sum(height * width for height, width in own) < count:
                side = math.isqrt(count)
                own.append(next(stated, (side, side)))
                if own[-1] == (side, side):
                    break
            grids.append(own)
        return grids


def _stated_grids(inputs: dict[str, torch.Tensor], n_tokens: int) -> list[tuple[int, int]]:
    """Grids of all images, if every token shows a square of one size; none otherwise."""
    for name in _STATED:
        if name in inputs and n_tokens:
            sizes = inputs[name][:, -2:].tolist()
            side = math.isqrt(sum(height * width for height, width in sizes) // n_tokens)
            grids = [(height // max(1, side), width // max(1, side)) for height, width in sizes]
            if sum(height * width for height, width in grids) == n_tokens:
                return grids
    return []


def _rms_gain(norm: Any, width: int) -> torch.Tensor | None:
    """What a norm multiplies each dimension by, (d_model,); None if it is no RMS norm.

    An RMS norm leaves the pattern of a vector of ones with mixed signs; subtracting a mean or
    adding a bias shows.
    """
    parameter = next(norm.parameters(), None)
    device = None if parameter is None else parameter.device
    dtype = torch.float32 if parameter is None else parameter.dtype
    signs = torch.ones(2, width, device=device, dtype=dtype)
    signs[0, ::3] = -1
    epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
    with torch.no_grad():
        found = norm(signs).float() / signs.float() * math.sqrt(1 + epsilon)
    if not torch.allclose(found[0], found[1], rtol=1e-2, atol=1e-4):
        return None
    gain: torch.Tensor = found[1]
    return gain
