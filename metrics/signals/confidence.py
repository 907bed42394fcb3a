"""How sure the model is of its answer's tokens, read off the answer itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from metrics.answers.generation import mean_entropy, mean_logprob, min_logprob, top2_margin
from metrics.errors import UndefinedMetricError
from metrics.record.channels import TokenScores
from metrics.signals.declaration import NEGATED, SHARE, Bounds, Signal


def _signal(
    name: str,
    label: str,
    compute: Callable[[TokenScores], float],
    bounds: Bounds,
    *,
    source: str = "method §3",
    headline: bool = False,
    reported: bool = False,
    states: Literal["probability", "log-probability", "share"] | None = None,
) -> Signal:
    def of_tokens(scores: TokenScores) -> float:
        if not scores.logprobs.size:
            raise UndefinedMetricError("the answer is empty")
        return compute(scores)

    return Signal(
        name,
        label,
        "confidence",
        source,
        (TokenScores,),
        of_tokens,
        bounds=bounds,
        cost="answer",
        headline=headline,
        reported=reported,
        states=states,
    )


SIGNALS = (
    _signal(
        "token_confidence",
        "token confidence",
        lambda scores: mean_logprob(scores.logprobs),
        NEGATED,
        source="method §3, paper eq. 7",
        states="log-probability",
        headline=True,
        reported=True,
    ),
    _signal(
        "min_token_confidence",
        "min token confidence",
        lambda scores: min_logprob(scores.logprobs),
        NEGATED,
        states="log-probability",
    ),
    _signal(
        "first_token_probability",
        "first-token probability",
        lambda scores: np.exp(scores.logprobs[0]),
        SHARE,
        states="probability",
    ),
    _signal(
        "first_token_margin",
        "first-token margin",
        lambda scores: top2_margin(scores.first_two),
        SHARE,
    ),
    _signal(
        "first_token_entropy",
        "−entropy, first token",
        lambda scores: -scores.entropies[0],
        NEGATED,
    ),
    _signal(
        "logit_entropy",
        "−logit entropy",
        lambda scores: -mean_entropy(scores.entropies),
        NEGATED,
        reported=True,
    ),
)
