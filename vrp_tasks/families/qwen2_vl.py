"""Qwen2-VL: images at their own size, so the grid differs from sample to sample."""

from itertools import count
from typing import Any

import torch
from transformers import PretrainedConfig

from vrp_tasks.families.base import Family


class Qwen2VL(Family):
    """``Qwen2VLForConditionalGeneration``."""

    model_type = "qwen2_vl"
    text_types = ("qwen2_vl_text",)
    boundary_tokens = (
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "\n",
    )

    image_inputs = ("pixel_values", "image_grid_thw")

    def self_test_grid(
        self, config: PretrainedConfig, image_processor: Any
    ) -> tuple[tuple[int, int], int]:
        """Not square, so that rows and columns differ; large enough not to be enlarged."""
        cell = config.vision_config.patch_size * config.vision_config.spatial_merge_size
        least = image_processor.size["shortest_edge"]  # pixels in all, in this family
        scale = next(n for n in count(1) if 8 * n * 12 * n * cell**2 >= least)
        return (8 * scale, 12 * scale), cell

    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """``image_grid_thw`` counts patches; each token merges ``spatial_merge_size``² of them."""
        merge = config.vision_config.spatial_merge_size
        _, height, width = inputs["image_grid_thw"][index].tolist()
        return height // merge, width // merge
