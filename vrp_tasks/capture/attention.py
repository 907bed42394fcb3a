"""An attention function that computes the needed query rows beside SDPA, never a T × T map.

transformers calls it with queries and keys after RoPE and the cache update. A registered attention
name without a mask function silently gets no mask at all, so both are registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "vrp_sdpa"


class AttentionListener(Protocol):
    """Receives what each decoder layer is about to attend with."""

    def on_attention(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float,
    ) -> None:
        """Called once per layer and forward pass."""


class AttentionEdit(Protocol):
    """Changes what each decoder layer may attend to."""

    def edited_mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The mask to attend with instead of ``mask``; called once per layer and forward pass."""


_listeners: list[AttentionListener] = []
_edits: list[AttentionEdit] = []


def _forward(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    for edit in _edits:
        attention_mask = edit.edited_mask(module.layer_idx, query, key, attention_mask)
    if _listeners:
        scale = scaling if scaling is not None else query.shape[-1] ** -0.5
        for listener in _listeners:
            listener.on_attention(module.layer_idx, query, key, attention_mask, scale)
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
    )


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def listening(listener: AttentionListener) -> Iterator[None]:
    """Send attention inputs to ``listener`` inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def editing(edit: AttentionEdit) -> Iterator[None]:
    """Let ``edit`` change attention masks inside the block, before listeners see them."""
    _edits.append(edit)
    try:
        yield
    finally:
        _edits.remove(edit)


@contextmanager
def capturing_attention(model: PreTrainedModel) -> Iterator[None]:
    """Use the registered function in the decoder, SDPA elsewhere; restored on leaving."""
    subconfigs = {name: getattr(model.config, name) for name in model.config.sub_configs}
    before = {"": model.config._attn_implementation} | {
        name: sub._attn_implementation for name, sub in subconfigs.items() if sub is not None
    }
    model.set_attn_implementation({**dict.fromkeys(before, "sdpa"), "text_config": NAME})
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attention_row(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Attention of one query position to all keys, as eager attention has it.

    Parameters
    ----------
    query : float tensor, shape (B, n_heads, head_dim)
        Query of the wanted position, after RoPE.
    key : float tensor, shape (B, n_kv_heads, T, head_dim)
        Keys; each serves ``n_heads // n_kv_heads`` query heads.
    mask : bool or float tensor, shape (B, 1 or n_heads, T), or None
        True or 0 where attention is allowed; None allows every key.
    scaling : float
        Factor of the dot products.

    Returns
    -------
    float32 tensor, shape (B, n_heads, T)
        Rows that sum to 1.
    """
    batch, n_heads, head_dim = query.shape
    n_kv = key.shape[1]
    grouped = query.reshape(batch, n_kv, n_heads // n_kv, head_dim)
    scores = torch.matmul(grouped, key.transpose(-1, -2)).float() * scaling
    scores = scores.reshape(batch, n_heads, -1)
    if mask is not None:
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        else:
            scores = scores + mask.float()
    return scores.softmax(dim=-1)
