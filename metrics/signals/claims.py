"""Likelihood of what an answer says, as an outside model reads its tokens (`rescore`)."""

from __future__ import annotations

from functools import partial

import numpy as np

from metrics.answers.claims import claim_log_probability, relevant_log_probability
from metrics.answers.likelihoods import sentence_sar
from metrics.answers.matrices import enough, symmetric
from metrics.errors import UndefinedMetricError
from metrics.record.channels import (
    AnswersAlike,
    ClaimsEntailed,
    SamplesRelevance,
    SampleTokens,
    TokenAlternatives,
    TokenRelevance,
    TokenScores,
)
from metrics.signals.declaration import ANY, NEGATED, Signal


def _of_relevant(scores: TokenScores, relevance: TokenRelevance) -> float:
    if scores.logprobs.size != relevance.similarity.size:
        raise UndefinedMetricError("the answer's tokens and their texts differ in number")
    return relevant_log_probability(scores.logprobs, relevance.similarity)


def _sar(told: SampleTokens, read: SamplesRelevance, alike: AnswersAlike) -> float:
    own = told.by_sample()
    similarity = symmetric("sar", alike.similarity)[1:, 1:]
    if len(own) != len(similarity):
        raise UndefinedMetricError("samples and their tokens differ in number")
    enough(len(own))
    if not all(logprobs.size for logprobs in own):
        raise UndefinedMetricError("a sample is empty: it has no token that could be likely")
    if read.similarity.size != told.logprobs.size:
        raise UndefinedMetricError("the samples' tokens and their texts differ in number")
    ends = np.cumsum([logprobs.size for logprobs in own])[:-1]
    relevant = [
        relevant_log_probability(logprobs, apart)
        for logprobs, apart in zip(own, np.split(read.similarity, ends), strict=True)
    ]
    return -sentence_sar(similarity, np.array(relevant))


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
    _claim(
        "sar",
        "likelihood of like samples by relevant tokens (−SAR)",
        source="arXiv 2307.01379",
        needs=(SampleTokens, SamplesRelevance, AnswersAlike),
        compute=_sar,
        bounds=ANY,
        about="`sentence_sar` with each sample's TokenSAR in the place of its log-probability: a "
        "token counts by how unlike the sample is without it (`extra=alternatives`)",
    ),
)
