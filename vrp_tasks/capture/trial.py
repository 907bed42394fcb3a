"""Two prompts about noise, of different length and image size: what a model is tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel

from vrp_tasks.families.anatomy import image_token_id

_QUESTIONS = ("What is this?", "Is there a circle to the left of the triangle? Answer yes or no.")
_SIZES = ((112, 168), (168, 126))  # height and width in pixels


class Processing:
    """A processor that is told the same about images at every call; else it is the processor."""

    def __init__(self, processor: Any, options: Mapping[str, Any]) -> None:
        self._processor, self._options = processor, dict(options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, **given: Any) -> Any:
        """What the processor returns."""
        return self._processor(**given, **self._options)


def trial_inputs(model: PreTrainedModel, processor: Any) -> dict[str, torch.Tensor]:
    """A left-padded batch of two prompts with one image each, ready for ``generate``.

    Whatever the processor raises comes through: then the model cannot be tried.
    """
    images = [_noise(seed, *size) for seed, size in enumerate(_SIZES)]
    return inputs_about(model, processor, images, questions=_QUESTIONS)


def inputs_about(
    model: PreTrainedModel,
    processor: Any,
    images: Sequence[Image.Image],
    *,
    questions: Sequence[str] = _QUESTIONS[:1],
) -> dict[str, torch.Tensor]:
    """A left-padded batch of one prompt for each image; questions take turns."""
    texts = [
        prompt_text(model, processor, questions[row % len(questions)]) for row in range(len(images))
    ]
    side = processor.tokenizer.padding_side
    processor.tokenizer.padding_side = "left"
    try:
        inputs = processor(
            text=texts, images=[[image] for image in images], return_tensors="pt", padding=True
        )
    finally:
        processor.tokenizer.padding_side = side
    return prepared(inputs, model)


def prepared(inputs: Any, model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What a processor returned, on the model's device and in its dtype, without labels."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and name != "labels"
    }


def prompt_text(model: PreTrainedModel, processor: Any, question: str) -> str:
    """One image and a question, in the checkpoint's chat form if it has one."""
    if getattr(processor, "chat_template", None):
        content = [{"type": "image"}, {"type": "text", "text": question}]
        asked: str = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return asked
    token = getattr(processor, "boi_token", None) or getattr(processor, "image_token", None)
    if token is None:
        token = processor.tokenizer.decode([image_token_id(model.config)])
    return f"{token}\n{question}"


def _noise(seed: int, height: int, width: int) -> Image.Image:
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
