"""Weights of linear layers, where they can be read as they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

UNREADABLE = "the unembedding's weights are quantised"
_READABLE = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def plain_weight(module: Any) -> torch.Tensor | None:
    """The weight, (out, in), that a layer multiplies by.

    None for a quantised or wrapped layer: its ``weight`` is packed, scaled, a method, or missing,
    and only its forward pass says what it does.
    """
    if not isinstance(module, nn.Linear) or hasattr(module, "base_layer"):
        return None
    weight: torch.Tensor = module.weight
    if type(weight) not in (torch.Tensor, nn.Parameter) or weight.dtype not in _READABLE:
        return None
    return weight if weight.shape == (module.out_features, module.in_features) else None
