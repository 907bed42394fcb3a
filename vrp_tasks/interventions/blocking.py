"""Attention to chosen positions of the prompt is blocked, in all layers or in some."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import editing
from vrp_tasks.families import Family
from vrp_tasks.interventions.checks import check_cache, check_layer, rows_for


@contextmanager
def blocked_attention(
    model: PreTrainedModel,
    family: Family,
    hidden: torch.Tensor,
    *,
    layers: Collection[int] | None = None,
) -> Iterator[None]:
    """Nothing attends to some positions of the prompt, while it is read and while answers are made.

    A position that is left without any key attends to itself alone, so that its state stays finite.

    Parameters
    ----------
    model : PreTrainedModel
        In `vrp_tasks.capture.attention.capturing_attention`'s context.
    family : Family
        The model's family.
    hidden : bool tensor, shape (n_rows, T)
        True where the (left-padded) prompt is to be hidden. Where the model is run with a multiple
        of ``n_rows`` rows, each row here stands for so many neighbours there.
    layers : collection of int, optional
        Decoder layers from 0; every layer by default.

    Raises
    ------
    SetupError
        For a layer that the model does not have, or one with a sliding window.
    """
    check_cache(model)
    for layer in layers or ():
        check_layer(model, family, layer)
    with editing(_Block(hidden, None if layers is None else frozenset(layers))):
        yield


class _Block:
    def __init__(self, hidden: torch.Tensor, layers: frozenset[int] | None) -> None:
        self.hidden, self.layers = hidden, layers

    def edited_mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The mask less the hidden keys; bool (rows, 1, n_queries, n_keys) unless it was float."""
        if self.layers is not None and layer not in self.layers:
            return mask
        n_queries, n_keys = query.shape[2], key.shape[2]
        hidden = rows_for(self.hidden, len(query)).to(query.device)
        hidden = functional.pad(hidden, (0, n_keys - hidden.shape[1]))[:, None, None]
        place = torch.arange(n_keys, device=query.device)
        own = place[n_keys - n_queries :, None] == place  # a query's own key
        if mask is None:
            mask = place[n_keys - n_queries :, None] >= place
            mask = mask[None, None]
        mask = mask[..., :n_keys]
        if mask.dtype != torch.bool:
            return mask.masked_fill(hidden, torch.finfo(mask.dtype).min)
        allowed = mask & ~hidden
        return allowed | (own & ~allowed.any(dim=-1, keepdim=True))
