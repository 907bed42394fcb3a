"""Qwen2-VL: images at their own size, so the grid differs from sample to sample."""

from itertools import count
from typing import Any, ClassVar

import torch
from transformers import PretrainedConfig

from vrp_tasks.families.base import Family


class Qwen2VL(Family):
    """``Qwen2VLForConditionalGeneration``."""

    model_type = "qwen2_vl"
    text_types = ("qwen2_vl_text",)
    published_layer: ClassVar[tuple[int, int] | None] = (25, 28)
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
        cell = self.cell_side(config)
        least = image_processor.size["shortest_edge"]  # pixels in all, in this family
        scale = next(n for n in count(1) if 8 * n * 12 * n * cell**2 >= least)
        return (8 * scale, 12 * scale), cell

    def cell_side(self, config: PretrainedConfig) -> int:
        """Each token merges a square of patches."""
        side: int = config.vision_config.patch_size * config.vision_config.spatial_merge_size
        return side

    def shown_share(self, config: PretrainedConfig) -> float:
        """Images are resized to whole tokens."""
        return 1.0

    def image_grid(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor], index: int
    ) -> tuple[int, int]:
        """``image_grid_thw`` counts patches; each token merges ``spatial_merge_size``² of them."""
        merge = config.vision_config.spatial_merge_size
        _, height, width = inputs["image_grid_thw"][index].tolist()
        return height // merge, width // merge

    def images(
        self, config: PretrainedConfig, inputs: dict[str, torch.Tensor]
    ) -> list[torch.Tensor]:
        """Patches stand in the order in which they are merged, each once per frame."""
        vision = config.vision_config
        merge, side = vision.spatial_merge_size, vision.patch_size
        found, start = [], 0
        for _, height, width in inputs["image_grid_thw"].tolist():
            patches = inputs["pixel_values"][start : start + height * width]
            start += height * width
            patches = patches.reshape(
                height // merge, width // merge, merge, merge, -1, vision.temporal_patch_size,
                side, side,
            )[:, :, :, :, :, 0]  # fmt: skip
            planes = patches.permute(4, 0, 2, 5, 1, 3, 6)
            found.append(planes.reshape(-1, height * side, width * side))
        return found

    def pixel_values(
        self,
        config: PretrainedConfig,
        inputs: dict[str, torch.Tensor],
        images: list[torch.Tensor],
    ) -> torch.Tensor:
        """Images cut into patches again."""
        vision = config.vision_config
        merge, side, frames = (
            vision.spatial_merge_size, vision.patch_size, vision.temporal_patch_size,
        )  # fmt: skip
        rows = []
        for image in images:
            height, width = (extent // (merge * side) for extent in image.shape[1:])
            planes = image.reshape(-1, height, merge, side, width, merge, side)
            patches = planes.permute(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, None]
            patches = patches.expand(-1, -1, -1, -1, -1, frames, -1, -1)
            rows.append(patches.reshape(height * width * merge * merge, -1))
        return torch.cat(rows)
