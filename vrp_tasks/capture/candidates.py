"""How much probability the first answer position gives to each candidate, spellings added up."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch

from metrics.record.channels import CANDIDATES, N_WORDS, CandidateMasses
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.first_tokens import first_tokens
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured


class CandidateMass(Observer):
    """Adds `CandidateMasses`: of yes and no in any case, of letters in capitals alone.

    "a" begins many an answer that names no option.
    """

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        self.tokens = _tokens_of(context.tokenizer)
        self.masses: np.ndarray | None = None

    def after_prefill(self, outputs: Any) -> None:
        """The first position's distribution."""
        if any(self.tokens):
            logits = outputs.logits[:, -1].float()
            columns, spelling = _spellings(self.tokens)
            chosen = logits[:, torch.from_numpy(columns).to(logits.device)]
            p = (chosen - logits.logsumexp(dim=-1, keepdim=True)).exp().cpu().numpy()
            self.masses = p @ spelling

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Of one prompt."""
        if self.masses is None:
            told = "no token of this tokenizer tells yes from no, or options from each other"
            known = self.context.tokenizer is not None
            item.never[CandidateMasses.name] = told if known else "the tokenizer is not known"
            return
        if not item.tokens:
            item.missing[CandidateMasses.name] = "the answer is empty"
            return
        given = [i for i, own in enumerate(self.tokens) if item.tokens[0] in own]
        item.further[CandidateMasses.name] = CandidateMasses(
            self.masses[index], np.array(given or [-1], np.int8)
        )


# of a tokenizer, which is asked once: a batch is read faster than thirty spellings are
_KNOWN: weakref.WeakKeyDictionary[Any, list[list[int]]] = weakref.WeakKeyDictionary()


def _tokens_of(tokenizer: Any) -> list[list[int]]:
    """First tokens of each candidate that begin no other of its kind."""
    if tokenizer is None:
        return [[] for _ in CANDIDATES]
    if tokenizer not in _KNOWN:
        words, letters = [word.capitalize() for word in CANDIDATES[:N_WORDS]], CANDIDATES[N_WORDS:]
        found = first_tokens(tokenizer, words) + [_letter(tokenizer, own) for own in letters]
        _KNOWN[tokenizer] = found
    return _KNOWN[tokenizer]


def _spellings(tokens: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that tell candidates, (n,), and which candidate each tells, as 0 and 1 (n, 12).

    NaN for a candidate that no token tells.
    """
    columns = np.array([token for own in tokens for token in own])
    counts = [len(own) for own in tokens]
    spelling = np.repeat(np.eye(len(tokens), dtype=np.float32), counts, axis=0)
    spelling[:, [not n for n in counts]] = np.nan
    return columns, spelling


def _letter(tokenizer: Any, letter: str) -> list[int]:
    """Tokens that are this letter and no more, a space before it or not."""
    encoded = (tokenizer.encode(text, add_special_tokens=False) for text in (letter, f" {letter}"))
    firsts = {tokens[0] for tokens in encoded if tokens}
    return sorted(token for token in firsts if tokenizer.decode([token]).strip() == letter)
