"""What else each answer token could have been, and the samples' own tokens, as text."""

from __future__ import annotations

import torch

from metrics.record.channels import (
    ALTERNATIVES,
    MOST_OF_SAMPLES,
    MOST_TOKENS,
    TOO_LONG,
    TOO_LONG_SAMPLE,
    TOO_LONG_SAMPLES,
    SampleTokens,
    TokenAlternatives,
)
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import Observer
from vrp_tasks.capture.result import Captured

_BEFORE = 16  # tokens that a token's text may depend on


class Alternatives(Observer):
    """Adds `TokenAlternatives` and `SampleTokens`."""

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Of one prompt."""
        if self.context.tokenizer is None:
            for kind in (TokenAlternatives, SampleTokens):
                item.never[kind.name] = "the tokenizer is not known"
            return
        self._answer(index, item, state)
        if item.sampled_tokens:
            self._samples(index, item, state)

    def _answer(self, index: int, item: Captured, state: DecodeState) -> None:
        n = len(item.tokens)
        if not n:
            item.missing[TokenAlternatives.name] = "the answer is empty"
            return
        if n > MOST_TOKENS:
            item.missing[TokenAlternatives.name] = TOO_LONG
            return
        top, tokens = (
            state.notes.of(name)[:n, index, :ALTERNATIVES] for name in ("top", "top_tokens")
        )
        pieces = [
            self._pieces(item.tokens[max(0, t - _BEFORE) : t], [item.tokens[t], *own.tolist()])
            for t, own in enumerate(tokens)
        ]
        item.further[TokenAlternatives.name] = TokenAlternatives.of(top.cpu().numpy(), pieces)

    def _samples(self, index: int, item: Captured, state: DecodeState) -> None:
        lengths = list(map(len, item.sampled_tokens))
        if max(lengths) > MOST_TOKENS or sum(lengths) > MOST_OF_SAMPLES:
            of_one = max(lengths) > MOST_TOKENS
            item.missing[SampleTokens.name] = TOO_LONG_SAMPLE if of_one else TOO_LONG_SAMPLES
            return
        first = index * state.rows + 1
        chosen = [own[first : first + len(item.sampled_tokens)] for own in state.notes.chosen]
        logprobs = torch.stack(chosen).float().cpu().numpy()
        known: dict[tuple[int, ...], list[str]] = {}
        for own in map(tuple, item.sampled_tokens):
            if own not in known:
                known[own] = [
                    self._pieces(list(own[max(0, t - _BEFORE) : t]), [token])[0]
                    for t, token in enumerate(own)
                ]
        item.further[SampleTokens.name] = SampleTokens.of(
            [logprobs[: len(own), row] for row, own in enumerate(item.sampled_tokens)],
            [known[tuple(own)] for own in item.sampled_tokens],
        )

    def _pieces(self, before: list[int], tokens: list[int]) -> list[str]:
        """What each of some tokens adds to the text of those before it."""
        rows = [before, *([*before, token] for token in tokens)]
        known, *texts = self.context.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [text[len(known) :] for text in texts]
