"""The tokens that can begin a word, whatever its case and whatever stands before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def first_tokens(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """For each word the first tokens of its spellings that begin none of the others.

    Parameters
    ----------
    tokenizer
        Of the checkpoint.
    words : sequence of str
        They exclude each other.

    Returns
    -------
    list of list of int
        Empty where no token tells a word from the others. Tokens of white space alone are left out.
    """
    found = [_beginnings(tokenizer, word) for word in words]
    return [
        sorted(own - set().union(*(other for other in found if other is not own))) for own in found
    ]


def _beginnings(tokenizer: Any, word: str) -> set[int]:
    spellings = {case + text for text in (word, word.lower(), word.upper()) for case in ("", " ")}
    encoded = (tokenizer.encode(text, add_special_tokens=False) for text in spellings)
    firsts = {next(iter(_told(tokenizer, tokens)), None) for tokens in encoded}
    return {token for token in firsts if token is not None}


def _told(tokenizer: Any, tokens: Sequence[int]) -> list[int]:
    """The first token, if it holds more than white space."""
    return [token for token in tokens[:1] if tokenizer.decode([token]).strip()]
