"""How sure the model is of its answer's tokens, read off the answer itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from metrics.answers.generation import mean_entropy, mean_logprob, min_logprob, top2_margin
from metrics.errors import UndefinedMetricError
from metrics.record.channels import TokenScores
from metrics.signals.declaration import NEGATED, SHARE, Signal


def _of_tokens(compute: Callable[[TokenScores], float]) -> Callable[[TokenScores], float]:
    def of_tokens(scores: TokenScores) -> float:
        if not scores.logprobs.size:
            raise UndefinedMetricError("the answer is empty")
        return compute(scores)

    return of_tokens


_signal = partial(
    Signal, family="confidence", source="method §3", needs=(TokenScores,), cost="answer"
)

SIGNALS = (
    _signal(
        "token_confidence",
        "token confidence",
        compute=_of_tokens(lambda scores: mean_logprob(scores.logprobs)),
        bounds=NEGATED,
        source="method §3, paper eq. 7",
        states="log-probability",
        headline=True,
        reported=True,
    ),
    _signal(
        "min_token_confidence",
        "min token confidence",
        compute=_of_tokens(lambda scores: min_logprob(scores.logprobs)),
        bounds=NEGATED,
        states="log-probability",
    ),
    _signal(
        "first_token_probability",
        "first-token probability",
        compute=_of_tokens(lambda scores: np.exp(scores.logprobs[0])),
        bounds=SHARE,
        states="probability",
    ),
    _signal(
        "first_token_margin",
        "first-token margin",
        compute=_of_tokens(lambda scores: top2_margin(scores.first_two)),
        bounds=SHARE,
    ),
    _signal(
        "first_token_entropy",
        "−entropy, first token",
        compute=_of_tokens(lambda scores: -scores.entropies[0]),
        bounds=NEGATED,
    ),
    _signal(
        "logit_entropy",
        "−logit entropy",
        compute=_of_tokens(lambda scores: -mean_entropy(scores.entropies)),
        bounds=NEGATED,
        reported=True,
    ),
)
