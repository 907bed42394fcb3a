"""Rows that share one copy of their prompt's keys and values, each with an answer of its own.

B prompts are decoded as B × R rows. Repeated, the prompt's cache is R times as large as stock's;
here a layer keeps ``(B, n_kv_heads, T + R × n, head_dim)``: the prompt once, then step by step the
token of each row. All modules still see B × R rows of one token; only attention sees R queries of
one sequence, under a mask that shows each its prompt and its own tokens (tree attention as in
SpecInfer, arXiv:2305.09781).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from transformers.cache_utils import DynamicLayer

from vrp_tasks.capture.buffers import StateBuffer


class SharedLayer(DynamicLayer):
    """A dynamic cache layer that holds each prompt once and returns it so.

    Parameters
    ----------
    layer : DynamicLayer
        The prefill's; keys and values of shape (B, n_kv_heads, T, head_dim).
    rows : int
        R, the rows of each prompt.
    room : int
        Tokens a row that fit before the buffers first grow.
    """

    def __init__(self, layer: DynamicLayer, *, rows: int, room: int) -> None:
        super().__init__()
        self.dtype, self.device = layer.keys.dtype, layer.keys.device
        self.is_initialized = True
        self.rows, self.n_steps = rows, 0
        self.prompt_length: int = layer.keys.shape[-2]
        self._buffers = [
            StateBuffer(states, room=rows * room) for states in (layer.keys, layer.values)
        ]
        self.keys, self.values = layer.keys, layer.values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append one token's states of every row, shape (B × R, n_kv_heads, 1, head_dim).

        Returns those of all tokens, shape (B, n_kv_heads, T + R × n, head_dim).
        """
        self.n_steps += 1
        self.keys, self.values = (
            buffer.append(_side_by_side(states, self.rows))
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True)
        )
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Tokens that a row has."""
        return self.prompt_length + self.n_steps


def _side_by_side(states: torch.Tensor, rows: int) -> torch.Tensor:
    """(B × R, heads, 1, width) as (B, heads, R, width)."""
    _, heads, _, width = states.shape
    return states.reshape(-1, rows, heads, width).transpose(1, 2)


class Branches:
    """How the rows of one decode share their prompts.

    Parameters
    ----------
    rows : int
        R, the rows of each prompt.
    prompt_length : int
        T, padding counted.
    """

    def __init__(self, rows: int, prompt_length: int) -> None:
        self.rows, self.prompt_length = rows, prompt_length
        self._seen: tuple[torch.Tensor | None, int, torch.Tensor] | None = None

    def has(self, query: torch.Tensor, key: torch.Tensor) -> bool:
        """Whether the keys are those of a `SharedLayer`, (B, …) where queries are (B × R, …)."""
        return len(query) == self.rows * len(key) != len(key)

    def of_rows(self, states: torch.Tensor, own: slice) -> torch.Tensor:
        """Keys or values of some rows as a cache of their own has them.

        Parameters
        ----------
        states : float tensor, shape (B, n_kv_heads, T + R × n, head_dim)
        own : slice
            Of the B × R rows.

        Returns
        -------
        float tensor, shape (rows chosen, n_kv_heads, T + n, head_dim)
        """
        start = self.prompt_length
        chosen = range(self.rows * len(states))[own]
        return torch.stack([
            torch.cat([states[i, :, :start], states[i, :, start + row :: self.rows]], dim=1)
            for i, row in (divmod(index, self.rows) for index in chosen)
        ])  # fmt: skip

    def mask(self, mask: torch.Tensor | None, key: torch.Tensor, dtype: torch.dtype) -> Any:
        """The mask of R queries of one sequence, made of that of B × R rows.

        Parameters
        ----------
        mask : bool or float tensor, shape (B × R or 1, 1 or n_heads, 1, >= T + n), or None
            What the rows may see; None for everything of their own.
        key : float tensor, shape (B, n_kv_heads, T + R × n, head_dim)
        dtype : torch.dtype
            Of the result.

        Returns
        -------
        float tensor, shape (B, 1 or n_heads, R, T + R × n)
            Added to scores: 0 where attention is allowed.
        """
        n_keys = key.shape[2]
        if self._seen is None or self._seen[0] is not mask or self._seen[1] != n_keys:
            self._seen = mask, n_keys, self._made(mask, key, dtype)  # layers share one mask
        return self._seen[2]

    def _made(
        self, mask: torch.Tensor | None, key: torch.Tensor, dtype: torch.dtype
    ) -> torch.Tensor:
        batch, start, rows = len(key), self.prompt_length, self.rows
        n_steps = (key.shape[2] - start) // rows
        if mask is None:
            added = key.new_zeros(batch, 1, rows, start + n_steps, dtype=dtype)
        else:
            mask = mask[..., -1, : start + n_steps].expand(batch * rows, -1, -1)
            added = _added(mask, dtype)
            added = added.reshape(batch, rows, *added.shape[1:]).transpose(1, 2)
        others = added.new_full((rows, rows), -torch.inf).fill_diagonal_(0.0)
        answers = added[..., start:, None] + others[:, None]  # (…, R, n, R)
        return torch.cat([added[..., :start], answers.flatten(-2)], dim=-1)


def _added(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, -torch.inf)


def attend_together(
    branches: Branches,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    *,
    eager: Callable[..., torch.Tensor] | None = None,
) -> torch.Tensor:
    """Attention of B × R rows to what they share and to their own.

    Parameters
    ----------
    branches : Branches
    query : float tensor, shape (B × R, n_heads, 1, head_dim)
    key, value : float tensor, shape (B, n_kv_heads, T + R × n, head_dim)
    mask : bool or float tensor, or None
        Of the rows, as in `Branches.mask`.
    scaling : float
        Factor of the dot products.
    eager : callable, optional
        Given queries (B, n_heads, R, head_dim) and their mask, attends in place of SDPA; returns
        (B, R, n_heads, head_dim).

    Returns
    -------
    float tensor, shape (B × R, 1, n_heads, head_dim)
    """
    batch, n_kv, rows, width = len(key), key.shape[1], branches.rows, query.shape[-1]
    together = _side_by_side(query, rows)
    tree = branches.mask(mask, key, query.dtype)
    if eager is not None:
        return eager(together, tree).flatten(0, 1)[:, None]
    # heads that share keys become queries of one head: nothing of the prompt's length is copied
    n_queries = together.shape[1] // n_kv * rows
    if tree.shape[1] == 1:
        tree = tree.repeat(1, 1, n_queries // rows, 1)
    else:
        tree = tree.reshape(batch, n_kv, n_queries, -1)
    output = functional.scaled_dot_product_attention(
        together.reshape(batch, n_kv, n_queries, width), key, value, attn_mask=tree, scale=scaling
    )
    output = output.reshape(batch, -1, rows, output.shape[-1])
    return output.transpose(1, 2).flatten(0, 1)[:, None]
