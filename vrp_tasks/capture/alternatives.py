"""What else each answer token could have been: the likeliest tokens, as text."""

from __future__ import annotations

from metrics.record.channels import ALTERNATIVES, MOST_TOKENS, TOO_LONG, TokenAlternatives
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import Observer
from vrp_tasks.capture.result import Captured

_BEFORE = 16  # tokens that a token's text may depend on


class Alternatives(Observer):
    """Adds `TokenAlternatives`."""

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Of one prompt."""
        if self.context.tokenizer is None:
            item.never[TokenAlternatives.name] = "the tokenizer is not known"
            return
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

    def _pieces(self, before: list[int], tokens: list[int]) -> list[str]:
        """What each of some tokens adds to the text of those before it."""
        rows = [before, *([*before, token] for token in tokens)]
        known, *texts = self.context.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [text[len(known) :] for text in texts]
