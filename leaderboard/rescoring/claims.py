"""What another model says of an answer with a token replaced, or without it, as channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metrics.record.channels import (
    Channel,
    ClaimsEntailed,
    SamplesRelevance,
    SampleTokens,
    TokenAlternatives,
    TokenRelevance,
)

Pairs = dict[tuple[str, str], float]


class LackingError(Exception):
    """A pair of texts that nobody has compared; the message says which."""


def value_of(pairs: Pairs, first: str, second: str) -> float:
    """What a table says of two texts; LackingError where it says nothing."""
    value = pairs.get((first, second))
    if value is None:
        raise LackingError(f"nobody has compared {first[:40]!r} with {second[:40]!r}")
    return value


def claims_entailed(told: TokenAlternatives, own: Mapping[str, Pairs]) -> Channel:
    """Of every alternative; what is the same text is entailed, what is none says nothing."""
    found = {}
    for kind, equal in (("claim_entailment", 1.0), ("claim_contradiction", 0.0)):
        pairs = own.get(kind, {})
        found[kind] = np.array(
            [
                [_claim(pairs, other, claim, equal=equal) for other in others]
                for claim, *others in told.claims()
            ]
        ).reshape(told.logprobs.shape)
    return ClaimsEntailed(found["claim_entailment"], found["claim_contradiction"])


def token_relevance(told: TokenAlternatives, own: Mapping[str, Pairs]) -> Channel:
    """Of every token; an answer of which nothing is left is like nothing."""
    return TokenRelevance(np.array(_relevance(*told.shortened(), own)))


def samples_relevance(told: SampleTokens, own: Mapping[str, Pairs]) -> Channel:
    """Of every token of every sample, as `token_relevance`."""
    found = [value for one in told.shortened() for value in _relevance(*one, own)]
    return SamplesRelevance(np.array(found, dtype=np.float64))


def _relevance(whole: str, without: list[str], own: Mapping[str, Pairs]) -> list[float]:
    pairs = own.get("relevance", {})
    return [
        1.0 if text == whole else value_of(pairs, whole, text) if text else 0.0 for text in without
    ]


def _claim(pairs: Pairs, other: str, claim: str, *, equal: float) -> float:
    if other == claim:
        return equal
    return value_of(pairs, other, claim) if other and claim else 0.0
