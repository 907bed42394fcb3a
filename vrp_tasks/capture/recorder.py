"""Collects attention rows and hidden states of one generation, reduced as they appear.

A batch of B prompts is decoded as B × ``rows_per_prompt`` rows, the greedy row first in each group.
Only greedy rows are recorded. What is held: per layer one (B, T) attention row, its running sum,
and a few (B, d_model) states — nothing of size T × T or layers × T × d_model. A step waits with its
own only as long as a stop string may yet cut it off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from vrp_tasks.capture.attention import Attended, listening
from vrp_tasks.capture.gaze import HeadGaze, Looks
from vrp_tasks.capture.rows import MISFIT, cheap_row, fitting_row, own_row
from vrp_tasks.errors import CaptureError

_ROW_TOLERANCE = 1e-3  # rows are computed in float32 from keys and queries of any dtype


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
    all_attend : bool, default True
        Whether a row of every layer is due; else those count from which one arrives in the prefill.
    is_image : bool tensor, shape (B, T), optional
        Image tokens: then it is kept where each head looks (`HeadGaze`).

    Attributes
    ----------
    attending : list of int
        The layers whose rows are kept, known after the prefill; n_attending of them.
    """

    def __init__(
        self,
        decoder: Any,
        *,
        batch_size: int,
        prompt_length: int,
        all_attend: bool = True,
        is_image: torch.Tensor | None = None,
    ) -> None:
        self.layers = decoder.layers
        self.attending = list(range(len(self.layers)))
        self._all_attend = all_attend
        self._own: set[int] = set()  # layers whose own eager function makes the row
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
        self.gaze = None if is_image is None else HeadGaze(is_image, n_layers)
        # states, rows and misfits of a step, and where its heads look
        self._pending: deque[tuple[torch.Tensor, torch.Tensor, torch.Tensor, Looks]] = deque()
        self._folded = 0
        self.batch_size = batch_size
        self._complaints: dict[int, str] = {}

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
        layer = attended.layer
        self._n_seen[layer] += attended.query.shape[2]
        if not self.active:
            return
        row, self._misfits[layer] = self._row(attended.last(self.stride))
        sums = row.mean(dim=1).sum(dim=-1)
        # a sink takes what is left; that such a row is right, its misfit says
        self._sums[layer] = sums.clamp_min(1.0) if layer in self._own else sums
        whole, row = row, self._on_prompt(row)
        if self.gaze is not None:
            cut = whole.shape[-1] < max(self._n_seen)
            self.gaze.see(layer, whole, row, cut=cut)
        if not self.prompt_heads:
            self._heads[layer] = row
        self._rows[layer] = row.mean(dim=1)

    def _row(self, last: Attended) -> tuple[torch.Tensor, torch.Tensor]:
        """By the rule that the prefill showed the layer to follow."""
        if not self.prompt_heads:
            found, is_own = fitting_row(last)
            if is_own:
                self._own.add(last.layer)
            return found
        own = own_row(last) if last.layer in self._own else None
        return cheap_row(last) if own is None else own

    def _on_prompt(self, row: torch.Tensor) -> torch.Tensor:
        """A row over the keys that a layer holds, as one over the prompt's columns.

        A sliding window has dropped the oldest keys: nothing attends to them. A layer may be given
        the last position alone, so the one that saw most says how many there are.
        """
        first = max(0, max(self._n_seen) - row.shape[-1])
        if not first:
            return row[..., : self.prompt_length]
        return functional.pad(row, (first, 0))[..., : self.prompt_length]

    def complaint(self, index: int) -> str | None:
        """Why the rows of prompt ``index`` are no attention at all, or None."""
        return self._complaints.get(index)

    def check_sums(self, sums: torch.Tensor) -> None:
        """Note the prompts of which some row is no distribution over all keys (method §0).

        Parameters
        ----------
        sums : float tensor, shape (n_layers, B)
            Sum of each attention row, mean over heads; heads are non-negative, so one that is off
            shows in the mean.
        """
        if not len(sums):
            return
        off = (sums - 1).abs()
        worst, layers = off.nan_to_num(nan=torch.inf).max(dim=0)
        for index in torch.nonzero(worst > _ROW_TOLERANCE).flatten().tolist():
            layer = int(layers[index])
            self._complaints.setdefault(
                index,
                f"attention rows of layer {self.attending[layer]} sum to 1 ± "
                f"{float(off[layer, index]):.2g}; "
                "the model's weights or inputs are not finite, or its attention was replaced",
            )

    def _on_input(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        self._states[0] = states[:: self.stride, -1]

    def _on_output(self, index: int) -> Any:
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output  # a tuple before 5.0
            self._states[index + 1] = states[:: self.stride, -1]

        return hook

    def take_prompt(self) -> None:
        """After the prefill: the last prompt token's states and rows.

        ``prompt_heads`` then holds its row per layer, float32 (B, n_heads, T), heads kept apart.
        """
        self.last_prompt = self._stacked_states()
        if not self._all_attend:
            self.attending = [i for i, row in enumerate(self._rows) if row is not None]
        self.row_sum, self.misfits = self._stacked_rows()
        self.prompt_heads = [row for row in self._heads if row is not None]
        self.row_count = torch.ones(self.batch_size, device=self.row_sum.device)
        if self.gaze is not None:
            self.gaze.begin(self.attending)
        self.last_answer = torch.zeros_like(self.last_prompt)
        self.answer_sum = torch.zeros_like(self.last_prompt)
        self.answer_count = torch.zeros_like(self.row_count)

    def take_step(self) -> None:
        """After a decoding step: keep what was read of it until `fold` knows whether it counts."""
        looks = None if self.gaze is None else self.gaze.taken()
        self._pending.append((self._stacked_states(), *self._stacked_rows(), looks))

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
            states, rows, misfits, looks = self._pending.popleft()
            self._folded += 1
            self._add_states(states, [fed < n for n in settled])
            predicts = [fed + 1 < n for n in settled]
            self._add_rows(rows, misfits, predicts)
            if self.gaze is not None and looks is not None:
                self.gaze.add(looks, predicts)

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
        return describe_misfit(self.misfits[:, index], self.attending)

    def _stacked_states(self) -> torch.Tensor:
        """Float32 (n_layers + 1, B, d_model)."""
        return self._stack(self._states, range(len(self._states)), "hidden state")

    def _stacked_rows(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32 (n_attending, B, T), and the misfits (n_attending, B)."""
        if not self.attending:
            nothing = self.last_prompt.new_zeros(0, self.batch_size, self.prompt_length)
            return nothing, nothing[..., 0]
        self.check_sums(self._stack(self._sums, self.attending, "attention row"))
        rows = self._stack(self._rows, self.attending, "attention row")
        return rows, self._stack(self._misfits, self.attending, "attention row")

    def _stack(
        self, parts: list[torch.Tensor | None], due: Iterable[int], what: str
    ) -> torch.Tensor:
        silent = [index for index in due if parts[index] is None]
        if silent:
            raise CaptureError(
                f"no {what} arrived from decoder layer(s) {silent}: the hook never fired. "
                "Is the model compiled, or its attention implementation fixed?"
            )
        there = [part for part in parts if part is not None]
        stacked = torch.stack([part.to(there[0].device).float() for part in there])
        parts[:] = [None] * len(parts)
        return stacked


def describe_misfit(misfits: torch.Tensor, layers: Sequence[int]) -> str | None:
    """What `misfit` found in a prompt's layers, in words; None if all fit.

    Parameters
    ----------
    misfits : float tensor, shape (n,)
    layers : sequence of int, length n
        Which decoder layers they are of.
    """
    if not len(misfits):
        return None
    worst, index = misfits.nan_to_num(nan=torch.inf).max(dim=0)
    if bool(worst <= MISFIT):
        return None
    return (
        f"the attention row of layer {layers[int(index)]} times V is not what the layer used "
        f"({float(worst):.2g} times what rounding explains)"
    )
