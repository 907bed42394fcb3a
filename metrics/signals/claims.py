"""Likelihood of what an answer says, as an outside model reads its tokens (`rescore`)."""

from __future__ import annotations

from functools import partial

from metrics.answers.claims import claim_log_probability, relevant_log_probability
from metrics.errors import UndefinedMetricError
from metrics.record.channels import (
    ClaimsEntailed,
    TokenAlternatives,
    TokenRelevance,
    TokenScores,
)
from metrics.signals.declaration import NEGATED, Signal


def _of_relevant(scores: TokenScores, relevance: TokenRelevance) -> float:
    if scores.logprobs.size != relevance.similarity.size:
        raise UndefinedMetricError("the answer's tokens and their texts differ in number")
    return relevant_log_probability(scores.logprobs, relevance.similarity)


_claim = partial(Signal, family="meaning", bounds=NEGATED, cost="outside model", cost_class=4)

SIGNALS = (
    _claim(
        "claim_probability",
        "probability of the claim (CCP)",
        source="arXiv 2403.04696",
        needs=(TokenAlternatives, ClaimsEntailed),
        compute=lambda told, read: claim_log_probability(
            told.logprobs, read.entails, read.contradicts
        ),
        about="Σ over answer tokens of ln of the probability of alternatives that say the same, as "
        "a share of those that say the same or the contrary (`extra=alternatives`)",
    ),
    _claim(
        "token_sar",
        "likelihood of relevant tokens (TokenSAR)",
        source="arXiv 2307.01379",
        needs=(TokenScores, TokenRelevance),
        compute=_of_relevant,
        about="mean log-probability of the answer's tokens, each weighted by how unlike the answer "
        "is without it (`extra=alternatives`)",
    ),
)
