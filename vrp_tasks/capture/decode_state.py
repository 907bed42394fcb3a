"""The batched decode: tokens, cache and per-step statistics of all rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from vrp_tasks.capture.answers import AnswerEnd, AnswerRule
from vrp_tasks.capture.cache import spread_cache
from vrp_tasks.capture.processors import RowProcessors
from vrp_tasks.capture.sampling import SampleStreams, draw, warpers
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.capture.token_notes import TokenNotes
from vrp_tasks.seam.cache_name import CACHE

# prepared inputs with one row per prompt (position ids too, on their second to last axis)
_PER_ROW = (
    *("attention_mask", "token_type_ids", "mm_token_type_ids"),
    *("moe_mm_token_type_ids", "cross_attention_mask"),
)
_ROOM = 16  # answer tokens that the repeated cache has room for before it first grows


def per_row(
    kwargs: dict[str, Any], change: Callable[[torch.Tensor, int], torch.Tensor]
) -> dict[str, Any]:
    """A copy of `generate`'s keyword arguments with what has a row per prompt changed.

    ``change(value, axis)`` gets each tensor and its axis of rows; the cache is left alone.
    """
    axes = {**dict.fromkeys(_PER_ROW, 0), "position_ids": -2}
    there = {name: axis for name, axis in axes.items() if kwargs.get(name) is not None}
    return {**kwargs, **{name: change(kwargs[name], axis) for name, axis in there.items()}}


class DecodeState:
    """Tokens, cache and per-step statistics of B × (K + 1) rows; row 0 of each group is greedy."""

    def __init__(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        model_kwargs: dict[str, Any],
        config: GenerationConfig,
        settings: CaptureSettings,
        processors: LogitsProcessorList,
        rule: AnswerRule | None,
        samples: range,
    ) -> None:
        self.model, self.kwargs, self.settings = model, model_kwargs, settings
        self.samples = samples
        self.rows = len(samples) + 1
        self.batch, self.prompt_length = input_ids.shape
        self.ids = input_ids.repeat_interleave(self.rows, dim=0)
        prompts = torch.arange(self.batch, device=input_ids.device).repeat_interleave(self.rows)
        self.process = RowProcessors(processors, prompts, self.batch)
        self.rule = rule
        self.ends = [AnswerEnd(rule) for _ in range(self.batch)]
        eos, pad = config._eos_token_tensor, config._pad_token_tensor
        self.eos = torch.empty(0, dtype=torch.long) if eos is None else eos.flatten()
        self.eos = self.eos.to(input_ids.device)
        self.pad = int(pad) if pad is not None else 0
        self.room = min(config.max_length - self.prompt_length, _ROOM)
        self.alive = torch.ones(len(self.ids), dtype=torch.bool, device=input_ids.device)
        self.newest = torch.zeros_like(self.alive)
        self._broken = torch.zeros_like(self.alive)
        self.lengths = torch.zeros_like(self.alive, dtype=torch.long)
        self.warp = warpers(temperature=settings.temperature, top_p=settings.top_p)
        self.notes = TokenNotes(self.rows)
        self.sequence_length = self.prompt_length

    def spread(self, identities: list[str], *, shared: Collection[int] = ()) -> None:
        """Repeat for the K samples what has a row per prompt, but ``shared`` cache layers."""
        self.streams = SampleStreams(identities, samples=self.samples, seed=self.settings.seed)
        self.kwargs = per_row(self.kwargs, lambda v, axis: v.repeat_interleave(self.rows, dim=axis))
        shared = shared if self.samples else ()
        spread_cache(self.kwargs[CACHE], rows=self.rows, room=self.room, shared=shared)

    def choose(self, outputs: Any, criteria: StoppingCriteriaList) -> bool:
        """Append the next token of every row; False when nothing is left to be fed."""
        if not bool(self.alive.any()):
            self.newest = torch.zeros_like(self.alive)
            return False
        logits = outputs.logits[:, -1].float()
        if len(logits) == self.batch != len(self.ids):  # the prefill has one row per prompt
            logits = logits.repeat_interleave(self.rows, dim=0)
        processed = self.process(self.ids, logits)
        greedy = processed[:: self.rows].argmax(dim=-1)
        tokens = torch.full_like(self.ids[:, 0], self.pad)
        tokens[:: self.rows] = greedy
        if self.samples:
            sampled = torch.ones_like(self.alive)
            sampled[:: self.rows] = False
            warped = self.warp(self.ids[sampled], processed[sampled])
            tokens[sampled] = draw(warped, self.streams.next())
        self.notes.add(logits, tokens)
        self._broken |= ~self.notes.chosen[-1].isfinite() & self.alive
        tokens = torch.where(self.alive, tokens, self.pad)
        if bool(self.alive[:: self.rows].any()):
            self.sequence_length += 1
        self.newest = self.alive & ~torch.isin(tokens, self.eos)
        self.lengths += self.newest
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)
        self.alive = self.alive & ~criteria(self.ids, None)
        self._follow(greedy)
        # an answer that ends at the length limit has its last token still to be fed for its states
        return bool(self.alive.any()) or self.feeds_answer()

    def _follow(self, greedy: torch.Tensor) -> None:
        own = self.newest[:: self.rows].tolist()
        for end, is_token, token in zip(self.ends, own, greedy.tolist(), strict=True):
            if is_token and not end.closed:
                end.add(token)

    def forward(self, outputs: Any) -> Any:
        """Feed the tokens just chosen."""
        self.kwargs = self.model._update_model_kwargs_for_generation(
            outputs, self.kwargs, is_encoder_decoder=False
        )
        prepared = self.model.prepare_inputs_for_generation(
            self.ids, next_sequence_length=1, **self.kwargs
        )
        return self.model(**prepared, return_dict=True)

    def feeds_answer(self) -> bool:
        """Whether the token that some greedy row is about to be fed may be part of its answer."""
        own = zip(self.newest[:: self.rows].tolist(), self.lengths[:: self.rows].tolist(),
                  self.answers_end()[1], strict=True)  # fmt: skip
        return any(is_token and count <= most for is_token, count, most in own)

    def answers_end(self) -> tuple[list[int], list[int]]:
        """Least and most tokens that the greedy answers can have when all is over."""
        over = (~self.alive[:: self.rows]).tolist()
        known = [done or end.closed for done, end in zip(over, self.ends, strict=True)]
        least = [e.length if k else e.settled for e, k in zip(self.ends, known, strict=True)]
        most = [e.length if k else sys.maxsize for e, k in zip(self.ends, known, strict=True)]
        return least, most

    def complaint(self, index: int) -> str | None:
        """Why the answer and samples of prompt ``index`` were drawn from nothing, or None."""
        own = self._broken[index * self.rows : (index + 1) * self.rows]
        return "the model's logits are not finite" if bool(own.any()) else None

    def greedy_sequences(self) -> torch.Tensor:
        """Prompts and greedy answers, padded, as `generate` returns them."""
        return self.ids[:: self.rows, : self.sequence_length]

    def answer_tokens(self, row: int) -> list[int]:
        """Tokens of a row's answer, without what ends it."""
        start = self.prompt_length
        tokens = self.ids[row, start : start + int(self.lengths[row])].tolist()
        return tokens if self.rule is None else tokens[: self.rule.length(tokens)]
