"""Attention of chosen prompt positions to the image, reduced layer by layer during the prefill."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vrp_tasks.capture.attention import attention_row


@dataclass(frozen=True)
class Readers:
    """Positions of one prompt whose rows are averaged, in several ways at once.

    Attributes
    ----------
    positions : int64 tensor, shape (n,)
        In the padded prompt.
    weights : float tensor, shape (n_means, n)
        Rows sum to 1, or to 0 where nothing is to be averaged.
    image : bool tensor, shape (T,)
        Columns that are kept.
    """

    positions: torch.Tensor
    weights: torch.Tensor
    image: torch.Tensor


def attention_to_image(
    readers: Readers,
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    """Mean rows over heads and positions.

    Parameters
    ----------
    readers : Readers
    query : float tensor, shape (n_heads, T, head_dim)
        Of one prompt.
    key : float tensor, shape (n_kv_heads, T, head_dim)
    mask : bool or float tensor, shape (T, ≥ T), or None
        None means plain causal attention.
    scaling : float
        Factor of the dot products.

    Returns
    -------
    float32 tensor, shape (n_means, n_image_tokens)
        Not renormalised: sums to the attention that the image gets.
    """
    device, n_keys = query.device, key.shape[1]
    positions = readers.positions.to(device)
    if mask is None:
        allowed = torch.arange(n_keys, device=device) <= positions[:, None]
    else:
        allowed = mask[positions, :n_keys]
    rows = attention_row(query[:, positions].transpose(0, 1), key[None], allowed[:, None], scaling)
    return readers.weights.to(device) @ rows.mean(dim=1)[:, readers.image.to(device)]
