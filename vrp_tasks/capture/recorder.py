"""Collects attention rows and hidden states of one generation, reduced as they appear.

A batch of B prompts is decoded as B × ``rows_per_prompt`` rows, the greedy row first in each group.
Only greedy rows are recorded. What is held: per layer one (B, T) attention row, its running sum,
and a few (B, d_model) states — nothing of size T × T or layers × T × d_model. A step waits with its
own only as long as a stop string may yet cut it off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from vrp_tasks.capture.attention import Attended, attention_row, listening, misfit
from vrp_tasks.errors import CaptureError

_ROW_TOLERANCE = 1e-3  # rows are computed in float32 from keys and queries of any dtype
_MISFIT = 1.0  # see `vrp_tasks.capture.attention.misfit`


class Recorder:
    """Records the greedy rows of one `generate` call.

    Parameters
    ----------
    decoder : nn.Module
        The text decoder; has ``layers``.
    batch_size : int
        Number of prompts B.
    prompt_length : int
        Padded prompt length T; attention is kept for these columns.
    """

    def __init__(self, decoder: Any, *, batch_size: int, prompt_length: int) -> None:
        self.layers = decoder.layers
        self.prompt_length = prompt_length
        self.stride = 1
        self.active = True
        n_layers = len(self.layers)
        self.prompt_heads: list[torch.Tensor] = []
        self._heads: list[torch.Tensor | None] = [None] * n_layers
        self._rows: list[torch.Tensor | None] = [None] * n_layers
        self._sums: list[torch.Tensor | None] = [None] * n_layers
        self._misfits: list[torch.Tensor | None] = [None] * n_layers
        self._n_seen = [0] * n_layers
        self._states: list[torch.Tensor | None] = [None] * (n_layers + 1)
        # states, rows and misfits of a step
        self._pending: deque[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = deque()
        self._folded = 0
        self.batch_size = batch_size

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the decoder for the duration of the block."""
        with ExitStack() as stack:
            stack.enter_context(listening(self))
            first = self.layers[0].register_forward_pre_hook(self._on_input, with_kwargs=True)
            stack.callback(first.remove)
            for index, layer in enumerate(self.layers):
                handle = layer.register_forward_hook(self._on_output(index))
                stack.callback(handle.remove)
            yield

    def on_attention(self, attended: Attended) -> None:
        """Keep the last query's row of every greedy row, mean over heads."""
        layer, key, mask, stride = attended.layer, attended.key, attended.mask, self.stride
        self._n_seen[layer] += attended.query.shape[2]
        if not self.active:
            return
        if mask is not None:
            mask = mask[::stride] if mask.shape[0] > 1 else mask
            mask = mask[:, :, -1, : key.shape[2]]
        query, key = attended.query[::stride, :, -1], key[::stride]
        row = attention_row(query, key, mask, attended.scaling)
        self._misfits[layer] = misfit(
            row, query, key, attended.value[::stride], attended.output[::stride, -1],
            attended.scaling,
        )  # fmt: skip
        self._sums[layer] = row.mean(dim=1).sum(dim=-1)
        row = self._on_prompt(row, layer)
        if not self.prompt_heads:
            self._heads[layer] = row
        self._rows[layer] = row.mean(dim=1)

    def _on_prompt(self, row: torch.Tensor, layer: int) -> torch.Tensor:
        """A row over the keys that a layer holds, as one over the prompt's columns.

        A sliding window has dropped the oldest keys: nothing attends to them.
        """
        first = max(0, self._n_seen[layer] - row.shape[-1])
        if not first:
            return row[..., : self.prompt_length]
        return functional.pad(row, (first, 0))[..., : self.prompt_length]

    def check_sums(self, sums: torch.Tensor) -> None:
        """Raise CaptureError unless every row is a distribution over all keys (method §0).

        Parameters
        ----------
        sums : float tensor, shape (n_layers, B)
            Sum of each attention row, mean over heads; heads are non-negative, so one that is off
            shows in the mean.
        """
        worst = (sums - 1).abs().amax(dim=1)
        if not bool((worst <= _ROW_TOLERANCE).all()):
            layer = int(worst.nan_to_num(nan=torch.inf).argmax())
            raise CaptureError(
                f"attention rows of layer {layer} sum to 1 ± {float(worst[layer]):.2g}; "
                "the model's weights or inputs are not finite, or its attention was replaced."
            )

    def _on_input(self, _module: nn.Module, args: tuple, kwargs: dict) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        self._states[0] = states[:: self.stride, -1]

    def _on_output(self, index: int) -> Any:
        def hook(_module: nn.Module, _args: tuple, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output  # a tuple before 5.0
            self._states[index + 1] = states[:: self.stride, -1]

        return hook

    def take_prompt(self) -> None:
        """After the prefill: the last prompt token's states and rows.

        ``prompt_heads`` then holds its row per layer, float32 (B, n_heads, T), heads kept apart.
        """
        self.last_prompt = self._stacked_states()
        self.row_sum = self._stacked_rows()
        self.misfits = self._stack(self._misfits, "attention row")
        self.prompt_heads = [row for row in self._heads if row is not None]
        self.row_count = torch.ones(self.batch_size, device=self.row_sum.device)
        self.last_answer = torch.zeros_like(self.last_prompt)
        self.answer_sum = torch.zeros_like(self.last_prompt)
        self.answer_count = torch.zeros_like(self.row_count)

    def take_step(self) -> None:
        """After a decoding step: keep what was read of it until `fold` knows whether it counts."""
        misfits = self._stack(self._misfits, "attention row")
        self._pending.append((self._stacked_states(), self._stacked_rows(), misfits))

    def fold(self, settled: Sequence[int], most: Sequence[int]) -> None:
        """Add the steps to sums and counts of which it is known whether they belong to the answer.

        The step that feeds answer token s reads its states and, for token s + 1, its attention row.

        Parameters
        ----------
        settled, most : sequence of int, length B
            The answers have at least and at most so many tokens; equal once they are over.
        """
        bounds = list(zip(settled, most, strict=True))
        while self._pending:
            fed = self._folded
            if any(least <= s < limit for least, limit in bounds for s in (fed, fed + 1)):
                return
            states, rows, misfits = self._pending.popleft()
            self._folded += 1
            self._add_states(states, [fed < n for n in settled])
            self._add_rows(rows, misfits, [fed + 1 < n for n in settled])

    def _add_states(self, states: torch.Tensor, is_answer: list[bool]) -> None:
        if any(is_answer):
            own = torch.tensor(is_answer, device=states.device)
            chosen = own[None, :, None]
            self.last_answer = torch.where(chosen, states, self.last_answer)
            self.answer_sum = self.answer_sum + torch.where(chosen, states, 0.0)
            self.answer_count = self.answer_count + own

    def _add_rows(
        self, rows: torch.Tensor, misfits: torch.Tensor, predicts_answer: list[bool]
    ) -> None:
        if any(predicts_answer):
            own = torch.tensor(predicts_answer, device=rows.device)
            self.row_sum = self.row_sum + torch.where(own[None, :, None], rows, 0.0)
            self.misfits = torch.where(own[None], self.misfits.maximum(misfits), self.misfits)
            self.row_count = self.row_count + own

    def misfit_of(self, index: int) -> str | None:
        """Why the rows of prompt ``index`` are not what the model attended with, or None."""
        return describe_misfit(self.misfits[:, index])

    def _stacked_states(self) -> torch.Tensor:
        """Float32 (n_layers + 1, B, d_model)."""
        return self._stack(self._states, "hidden state")

    def _stacked_rows(self) -> torch.Tensor:
        """Float32 (n_layers, B, T)."""
        self.check_sums(self._stack(self._sums, "attention row"))
        return self._stack(self._rows, "attention row")

    def _stack(self, parts: list[torch.Tensor | None], what: str) -> torch.Tensor:
        silent = [index for index, part in enumerate(parts) if part is None]
        if silent:
            raise CaptureError(
                f"no {what} arrived from decoder layer(s) {silent}: the hook never fired. "
                "Is the model compiled, or its attention implementation fixed?"
            )
        there = [part for part in parts if part is not None]
        stacked = torch.stack([part.to(there[0].device).float() for part in there])
        parts[:] = [None] * len(parts)
        return stacked


def describe_misfit(misfits: torch.Tensor) -> str | None:
    """What `misfit` found in a prompt's layers, float (n_layers,), in words; None if all fit."""
    worst, layer = misfits.nan_to_num(nan=torch.inf).max(dim=0)
    if bool(worst <= _MISFIT):
        return None
    return (
        f"the attention row of layer {int(layer)} times V is not what the layer used "
        f"({float(worst):.2g} times what rounding explains)"
    )
