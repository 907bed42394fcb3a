"""What can be said of a figure where a server tells a part of the distribution alone.

A bound is a signal of its own: it is never ranked with what it bounds, since no run has both.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.record.channels import ListedTokens
from metrics.signals.declaration import NEGATED, Signal


def _entropies(listed: ListedTokens) -> np.ndarray:
    if not listed.entropies.size:
        raise UndefinedMetricError("the answer is empty")
    return listed.entropies.astype(np.float64)


_bound = partial(
    Signal,
    family="bound",
    source="our own, after method §3",
    needs=(ListedTokens,),
    bounds=NEGATED,
    cost="answer",
)

SIGNALS = (
    _bound(
        "first_token_entropy_bound",
        "−first-token entropy, at least (≥)",
        compute=lambda listed: -_entropies(listed)[0],
        about="−least entropy that the first answer token's distribution can have, of the tokens "
        "that a server lists",
    ),
    _bound(
        "logit_entropy_bound",
        "−token entropy, at least (≥)",
        compute=lambda listed: -_entropies(listed).mean(),
        about="−mean over answer tokens of the least entropy that their distribution can have, of "
        "the tokens that a server lists",
    ),
)
