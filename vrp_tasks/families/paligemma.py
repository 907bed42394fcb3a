"""PaliGemma: SigLIP patches in front of a Gemma decoder that is a prefix-LM."""

import torch
from transformers import PretrainedConfig, PreTrainedModel

from vrp_tasks.families.base import Family, square_grid


class PaliGemma(Family):
    """``PaliGemmaForConditionalGeneration``; image and question attend to each other both ways."""

    model_type = "paligemma"
    text_types = ("gemma",)
    published_layer = (15, 18)
    reads_backwards = True
    boundary_tokens = ("<bos>", "<eos>", "\n")

    def final_norm_gain(self, model: PreTrainedModel) -> torch.Tensor:
        """Gemma's norms store the gain less 1."""
        found: torch.Tensor = 1.0 + self.decoder(model).norm.weight
        return found

    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """One fixed square grid, 16 × 16 for PaliGemma-224."""
        return square_grid(config)
