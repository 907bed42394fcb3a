"""How sure the model is of its answer's tokens, read off the answer itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from metrics.answers.generation import (
    mean_entropy,
    mean_logprob,
    min_logprob,
    sequence_logprob,
    top2_margin,
)
from metrics.errors import UndefinedMetricError
from metrics.record.channels import Channel, FirstTwo, TokenEntropies, TokenScores
from metrics.signals.declaration import NEGATED, SHARE, Signal


def of_tokens(compute: Callable[..., float]) -> Callable[..., float]:
    """Of the arrays of per-token channels; an empty answer has no value."""

    def computed(*channels: Channel) -> float:
        arrays = [array for channel in channels for array in channel.arrays().values()]
        if not arrays[0].size:
            raise UndefinedMetricError("the answer is empty")
        return compute(*arrays)

    return computed


_signal = partial(
    Signal, family="confidence", source="method §3", needs=(TokenScores,), cost="answer"
)

SIGNALS = (
    _signal(
        "token_confidence",
        "token confidence",
        compute=of_tokens(mean_logprob),
        bounds=NEGATED,
        source="method §3, paper eq. 7",
        states="log-probability",
        headline=True,
        reported=True,
        about="mean log-probability of the answer's tokens: 0 is certain, −0.1 about 90 % a token",
    ),
    _signal(
        "sequence_log_probability",
        "sequence log-probability",
        compute=of_tokens(sequence_logprob),
        bounds=NEGATED,
        source="arXiv 2406.15627",
        states="log-probability",
        about='sum of the answer tokens\' log-probabilities ("maximum sequence probability")',
    ),
    _signal(
        "min_token_confidence",
        "min token confidence",
        compute=of_tokens(min_logprob),
        bounds=NEGATED,
        states="log-probability",
        about="log-probability of the answer's least likely token",
    ),
    _signal(
        "first_token_probability",
        "first-token probability",
        compute=of_tokens(lambda logprobs: np.exp(logprobs[0])),
        bounds=SHARE,
        states="probability",
        about="probability of the answer's first token",
    ),
    _signal(
        "first_token_margin",
        "first-token margin",
        needs=(TokenScores, FirstTwo),
        compute=of_tokens(lambda _, first_two: top2_margin(first_two)),
        bounds=SHARE,
        about="probability of the likeliest first token less that of the next",
    ),
    _signal(
        "first_token_entropy",
        "−entropy, first token",
        needs=(TokenEntropies,),
        compute=of_tokens(lambda entropies: -entropies[0]),
        bounds=NEGATED,
        about="−entropy (nats) of the first token's distribution",
    ),
    _signal(
        "max_token_entropy",
        "−largest token entropy",
        needs=(TokenEntropies,),
        compute=of_tokens(lambda entropies: -entropies.max()),
        bounds=NEGATED,
        source="arXiv 2307.10236",
        about="−largest entropy (nats) among the answer tokens",
    ),
    _signal(
        "logit_entropy",
        "−logit entropy",
        needs=(TokenEntropies,),
        compute=of_tokens(lambda entropies: -mean_entropy(entropies)),
        bounds=NEGATED,
        reported=True,
        about="−entropy (nats) of the tokens' distributions, mean over the answer",
    ),
)
