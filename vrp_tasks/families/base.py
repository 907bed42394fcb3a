"""What a family file states; all behaviour that families share is here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from transformers import PretrainedConfig, PreTrainedModel

from vrp_tasks.families.parts import Block


class Family(ABC):
    """One architecture family.

    Attributes
    ----------
    model_type : str
        ``config.model_type`` of its checkpoints.
    text_types : tuple of str
        ``model_type`` of the decoders the capture was tested with.
    boundary_tokens : tuple of str
        Structural tokens of the prompt: they attend to the image alike whatever is asked.
    image_inputs : tuple of str
        What the vision side takes of the processor's output.
    published_layer : (int, int) or None
        Layer, from 0, at which the companion paper (arXiv 2605.08200) ablates the family, and the
        number of layers of that model.
    all_layers_attend : bool
        Whether an attention row of every decoder layer is due.
    knows_pixels : bool
        Whether `images`, `pixel_values` and `cell_side` say where each token's pixels are.
    reads_backwards : bool
        Whether what image tokens hold depends on the question behind them.
    lacks : dict of str to str
        What cannot be had of its checkpoints, and why; keys as in `Captured.missing`.
    """

    model_type: ClassVar[str]
    text_types: ClassVar[tuple[str, ...]]
    boundary_tokens: ClassVar[tuple[str, ...]]
    image_inputs: ClassVar[tuple[str, ...]] = ("pixel_values",)
    published_layer: ClassVar[tuple[int, int] | None] = None
    all_layers_attend: ClassVar[bool] = True
    knows_pixels: ClassVar[bool] = True
    reads_backwards: ClassVar[bool] = False
    lacks: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """(height, width) in image tokens of image ``index`` of a batch."""

    def grids_of_prompts(
        self,
        config: PretrainedConfig,
        inputs: dict[str, torch.Tensor],
        input_ids: torch.Tensor,
    ) -> list[list[tuple[int, int]]]:
        """Grids of the images of each prompt, in order; none where a prompt shows no image.

        Images are handed to their prompts by counting image tokens: a batch may hold prompts of
        no, one and several images.
        """
        grids: list[list[tuple[int, int]]] = []
        index = 0
        for count in self.image_tokens(config, input_ids).sum(dim=1).tolist():
            own: list[tuple[int, int]] = []
            while sum(height * width for height, width in own) < count:
                own.append(self.image_grid(config, inputs, index))
                index += 1
            grids.append(own)
        return grids

    def self_test_grid(
        self, config: PretrainedConfig, image_processor: Any
    ) -> tuple[tuple[int, int], int]:
        """A grid, and the side of its cells in pixels, that the processor maps without resizing."""
        return square_grid(config), self.cell_side(config)

    def cell_side(self, config: PretrainedConfig) -> int:
        """Side, in pixels of the image as the model gets it, of the square that a token shows."""
        side: int = config.vision_config.patch_size
        return side

    def shown_share(self, config: PretrainedConfig) -> float:
        """Share of that image's sides, from the top left, that tokens show.

        A patch that the image's edge would cut is not read: 27 pixels hold three patches of 8.
        """
        found: float = (
            square_grid(config)[0] * self.cell_side(config) / config.vision_config.image_size
        )
        return found

    def images(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor]
    ) -> list[torch.Tensor]:
        """Each image as the model gets it, (3, height, width), normalised."""
        return list(inputs["pixel_values"])

    def pixel_values(
        self,
        config: PretrainedConfig,
        inputs: dict[str, torch.Tensor],
        images: list[torch.Tensor],
    ) -> torch.Tensor:
        """The inverse of `images`: what ``pixel_values`` is for these."""
        return torch.stack(images)

    def decoder(self, model: PreTrainedModel) -> Any:
        """The text decoder: has ``layers`` and the final ``norm``."""
        return model.model.language_model

    def blocks(self, model: PreTrainedModel) -> list[Block] | None:
        """What each decoder layer adds to the stream; None where that is not known."""
        return [
            Block(layer.self_attn, layer.mlp, layer.self_attn.o_proj)
            for layer in self.decoder(model).layers
        ]

    def final_norm_gain(self, model: PreTrainedModel) -> torch.Tensor:
        """What the final RMS norm multiplies each dimension by, shape (d_model,)."""
        found: torch.Tensor = self.decoder(model).norm.weight
        return found

    def image_tokens(self, config: PretrainedConfig, input_ids: torch.Tensor) -> torch.Tensor:
        """Bool, shape of ``input_ids``: true at image tokens."""
        found: torch.Tensor = input_ids == config.image_token_id
        return found

    def boundary_ids(self, tokenizer: Any) -> list[int]:
        """Ids of the boundary tokens, as far as this tokenizer has them as single tokens."""
        known = tokenizer.get_vocab()
        ids = {known[text] for text in self.boundary_tokens if text in known}
        for text in self.boundary_tokens:  # a byte-level vocabulary spells "\n" differently
            encoded = tokenizer.encode(text, add_special_tokens=False)
            ids |= set(encoded) if len(encoded) == 1 else set()
        return sorted(ids)

    def boundary_markers(self, tokenizer: Any, input_ids: torch.Tensor) -> torch.Tensor:
        """Bool, shape of ``input_ids``: true at the structural tokens of the prompt."""
        ids = torch.tensor(self.boundary_ids(tokenizer), device=input_ids.device)
        return torch.isin(input_ids, ids)


def square_grid(config: PretrainedConfig) -> tuple[int, int]:
    """Grid of a vision tower with a fixed image size: one token per patch."""
    side = config.vision_config.image_size // config.vision_config.patch_size
    return side, side
