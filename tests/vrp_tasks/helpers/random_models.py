"""Small random models of each family, with the traps on: grouped queries, padding, odd sizes."""

from __future__ import annotations

from functools import cache

import torch
from PIL import Image

from vrp_tasks.tiny.training.architectures import Architecture, build_architecture
from vrp_tasks.tiny.world import draw_scene

QUESTIONS = (
    "Is there a red star in the image?",
    "How many circles are there in the image?",
    "Is the blue square left of the orange triangle?",
)
FAMILIES = ("llava", "paligemma", "qwen2_vl")


@cache
def random_architecture(family: str, spread: float = 0.05) -> Architecture:
    """Untrained weights, perturbed so that heads and layers differ.

    A ``spread`` of 0.2 makes answers of different tokens, one as likely as in a trained model.
    """
    architecture = build_architecture(family, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in architecture.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * spread)
    architecture.processor.tokenizer.padding_side = "left"
    architecture.model.eval()
    return architecture


def mixed_batch(*rows: int) -> dict[str, torch.Tensor]:
    """Qwen2-VL prompts of two images, of none, of a wide and of a tall one; ``rows`` of them."""
    architecture = random_architecture("qwen2_vl")
    shown = [Image.fromarray(draw_scene(seed).image).resize((168, 84)) for seed in range(3)]
    images = [shown[:2], [], shown[2:], [shown[2].rotate(90, expand=True)]]
    one = architecture.prompt(QUESTIONS[0])
    marker = "<|vision_start|><|image_pad|><|vision_end|>"
    prompts = [one.replace(marker, marker * len(own)) for own in images]
    chosen = rows or range(len(images))
    pictures = [image for row in chosen for image in images[row]]
    return dict(
        architecture.processor(
            text=[prompts[row] for row in chosen],
            images=pictures or None,
            return_tensors="pt",
            padding=True,
        )
    )


def batch_of(architecture: Architecture, n: int = 3) -> dict[str, torch.Tensor]:
    """Prompts of different length (left-padded) about different images, of different size where
    the family allows it.
    """
    images = [Image.fromarray(draw_scene(seed).image) for seed in range(n)]
    if architecture.family == "qwen2_vl" and n > 1:
        images[1] = images[1].resize((168, 84))
    prompts = [architecture.prompt(question) for question in QUESTIONS[:n]]
    nested = images if architecture.family == "qwen2_vl" else [[image] for image in images]
    inputs = dict(
        architecture.processor(text=prompts, images=nested, return_tensors="pt", padding=True)
    )
    inputs.pop("labels", None)
    return inputs
