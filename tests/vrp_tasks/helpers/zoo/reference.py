"""What an architecture does by stock transformers alone: eager attention, no capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vrp_tasks.seam.attention_implementation import attending_with, attention_configs

# inputs with one column per token, and what a generated token has there
_GROWN = {
    "attention_mask": 1, "token_type_ids": 0, "mm_token_type_ids": 0, "moe_mm_token_type_ids": 0,
}  # fmt: skip


@contextmanager
def eagerly(model: Any) -> Iterator[None]:
    """Eager attention in every part of a model."""
    with attending_with("eager", attention_configs(model.modules())):
        yield


def eager_pass(model: Any, inputs: dict[str, torch.Tensor]) -> Any:
    """Attentions and hidden states of one pass over the whole sequence."""
    with eagerly(model), torch.no_grad():
        return model(**inputs, output_attentions=True, output_hidden_states=True, use_cache=False)


def with_answer(
    inputs: dict[str, torch.Tensor], sequences: torch.Tensor, *, is_prefix_lm: bool = False
) -> dict[str, torch.Tensor]:
    """Inputs of a pass over prompts and answers at once, the last token left out."""
    length = inputs["input_ids"].shape[1]
    new = sequences[:, length:-1]
    grown = {**inputs, "input_ids": torch.cat([inputs["input_ids"], new], dim=1)}
    for name, value in _GROWN.items():
        if name in inputs:
            fill = 1 if is_prefix_lm and name == "token_type_ids" else value  # a causal suffix
            filling = inputs[name].new_full(new.shape, fill)
            grown[name] = torch.cat([inputs[name], filling], dim=1)
    if "cross_attention_mask" in inputs:
        mask = inputs["cross_attention_mask"]
        last = mask[:, -1:].expand(-1, new.shape[1], *mask.shape[2:])
        grown["cross_attention_mask"] = torch.cat([mask, last], dim=1)
    return grown


def image_rows(
    attentions: list[torch.Tensor], image: torch.Tensor, length: int, row: int
) -> np.ndarray:
    """Attention of the answer-side positions to a prompt's image, (n_layers, S), mean over heads.

    ``length`` is that of the prompt; positions are its last one and all behind it.
    """
    found = []
    for attention in attentions:
        own = attention[row].float().mean(dim=0)[length - 1 :, :length]
        found.append(own[:, image].mean(dim=0))
    return torch.stack(found).numpy()
