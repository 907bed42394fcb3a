"""Real classes of some thirty architectures, small and random, with real processors.

Query and key weights are enlarged, so that attention has peaks; norms are perturbed, since one of
ones hides what a norm does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.specifiers import SpecifierSet
from PIL import Image
from transformers import AutoModelForImageTextToText

from tests.vrp_tasks.helpers.versions import INSTALLED
from tests.vrp_tasks.helpers.zoo import fixed, native, tiles  # noqa: F401 - they enter their recipes
from tests.vrp_tasks.helpers.zoo.recipes import ONLY, RECIPES
from tests.vrp_tasks.helpers.zoo.shrink import small_config

NAMES = tuple(sorted(RECIPES))
QUESTIONS = ("what colour is the square?", "is there a circle left of the triangle? yes no")
_SIZES = ((64, 96), (90, 50), (48, 48))


@dataclass(frozen=True)
class Built:
    """A model, its processor, and what stands for an image in its prompts."""

    model: Any
    processor: Any
    marker: str


@cache
def built(name: str, dtype: torch.dtype = torch.float32) -> Built:
    """One architecture, the same at every call; a test of one that is not there is skipped."""
    versions, why = ONLY.get(name, ("", ""))
    if INSTALLED not in SpecifierSet(versions):
        pytest.skip(f"{name} works with transformers {versions} only: {why}")
    made = RECIPES[name]()
    config = small_config(made.model_type, made.changes)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(
        config, dtype=torch.float32, attn_implementation=made.attention or None
    ).eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1 and "norm" in path and "weight" in path:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif _is_weight(path, parameter):
                sharp = any(part in path for part in ("q_proj", "k_proj", "qkv"))
                parameter.normal_(0, (2.0 if sharp else 1.0) / math.sqrt(parameter.shape[1]))
    model.generation_config.pad_token_id = made.processor.tokenizer.pad_token_id
    template = _TEMPLATE.replace("MARKER", made.marker.rstrip("\n").replace("'", "\\'"))
    made.processor.chat_template = made.processor.tokenizer.chat_template = template
    return Built(model.to(dtype), made.processor, made.marker)


def _is_weight(path: str, parameter: torch.Tensor) -> bool:
    plain = parameter.ndim == 2 and min(parameter.shape) > 1
    return plain and "embed" not in path and "lm_head" not in path


def picture(seed: int, height: int, width: int) -> Image.Image:
    """Noise."""
    values = np.random.default_rng(seed).integers(0, 255, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def prompts(own: Built, *, shown: tuple[int, ...] = (1, 1)) -> dict[str, torch.Tensor]:
    """A left-padded batch; ``shown`` is how many images each prompt has."""
    count = iter(range(sum(shown)))
    images = [
        [picture(n, *_SIZES[n % len(_SIZES)]) for _, n in zip(range(k), count, strict=False)]
        for k in shown
    ]
    texts = [own.marker * k + QUESTIONS[row % len(QUESTIONS)] for row, k in enumerate(shown)]
    inputs = own.processor(text=texts, images=images, return_tensors="pt", padding=True)
    inputs.pop("labels", None)
    return {
        name: value.to(own.model.dtype) if value.is_floating_point() else value
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor)
    }


def saved(name: str, folder: Path) -> Path:
    """A checkpoint of one architecture below a folder."""
    own, path = built(name), folder / name
    if not path.exists():
        own.model.save_pretrained(path)
        own.processor.save_pretrained(path)
    return path


_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + ': ' }}{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for p in m['content'] %}{% if p['type'] == 'image' %}{{ 'MARKER' }}"
    "{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}{{ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
