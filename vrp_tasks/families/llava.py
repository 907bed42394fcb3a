"""LLaVA 1.5: CLIP patches, projected one by one, in front of a Llama decoder."""

import torch
from transformers import PretrainedConfig

from vrp_tasks.families.base import Family, square_grid


class Llava(Family):
    """``LlavaForConditionalGeneration``."""

    model_type = "llava"
    text_types = ("llama",)
    published_layer = (31, 32)
    boundary_tokens = ("<s>", "</s>", "\n", "<0x0A>", "USER", "ASSISTANT", " ASSISTANT", ":")

    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """One fixed square grid, 24 × 24 for LLaVA-1.5."""
        return square_grid(config)
