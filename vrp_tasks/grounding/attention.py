"""Attention of chosen prompt positions to the image, reduced layer by layer during the prefill."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vrp_tasks.capture.attention import Attended, attention_row, misfit


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


def attention_to_image(readers: Readers, attended: Attended) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean rows over heads and positions.

    Parameters
    ----------
    readers : Readers
    attended : Attended
        Of one prompt, read in one pass.

    Returns
    -------
    rows : float32 tensor, shape (n_means, n_image_tokens)
        Not renormalised: sums to the attention that the image gets.
    worst : float32 tensor, scalar
        The largest `misfit` of the positions; 0 without any.
    """
    query, key, mask = attended.query[0], attended.key, attended.mask
    device, n_keys = query.device, key.shape[2]
    positions = readers.positions.to(device)
    if mask is None:
        allowed = torch.arange(n_keys, device=device) <= positions[:, None]
        allowed = allowed[:, None]
    else:
        allowed = mask[0, :, positions, :n_keys].transpose(0, 1)
    asked = query[:, positions].transpose(0, 1)
    rows = attention_row(asked, key, allowed, attended.scaling)
    means = readers.weights.to(device) @ rows.mean(dim=1)[:, readers.image.to(device)]
    output = attended.output[0, positions]
    found = misfit(rows, asked, key, attended.value, output, attended.scaling)
    return means, torch.cat([found, found.new_zeros(1)]).amax()
