"""Positions of the prompt that nothing attends to, as an edit of attention masks."""

from __future__ import annotations

import torch
from torch.nn import functional

from vrp_tasks.errors import SetupError


class Hide:
    """Hides positions of a left-padded prompt, while it is read and while answers are made.

    A position that is left without any key attends to itself alone, so that its state stays finite.

    Parameters
    ----------
    hidden : bool tensor, shape (n_rows, T)
        Where the model is run with a multiple of ``n_rows`` rows, each row here stands for so many
        neighbours there.
    layers : set of int, optional
        Decoder layers from 0; every layer by default.
    """

    def __init__(self, hidden: torch.Tensor, layers: frozenset[int] | None = None) -> None:
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


def rows_for(values: torch.Tensor, n_rows: int) -> torch.Tensor:
    """One row per row of the model's batch: each is repeated for its neighbours.

    Raises SetupError if the batch is no multiple of the rows given.
    """
    if n_rows % len(values):
        raise SetupError(
            f"an intervention for {len(values)} rows cannot be applied to a batch of {n_rows}."
        )
    return values.repeat_interleave(n_rows // len(values), dim=0)
