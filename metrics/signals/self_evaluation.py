"""What the model says of its own answer when it is asked."""

from __future__ import annotations

from functools import partial

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.record.channels import (
    Array,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    TruthAsked,
    TruthAskedWithSamples,
)
from metrics.signals.declaration import SHARE, Signal


def _share_of_true(masses: Array) -> float:
    total = float(np.sum(masses, dtype=np.float64))
    if total <= 0:
        raise UndefinedMetricError("the model gives neither true nor false any probability")
    return float(masses[0]) / total


_signal = partial(
    Signal,
    family="self-evaluation",
    bounds=SHARE,
    states="probability",
    cost="continuation",
    cost_class=2,
)

SIGNALS = (
    _signal(
        "p_true",
        "P(True)",
        source="arXiv 2207.05221",
        needs=(TruthAsked,),
        compute=lambda asked: asked.masses[0],
        about="probability of a word for true where the model is asked whether its answer is",
    ),
    _signal(
        "p_true_share",
        "P(True) / P(True or False)",
        source="arXiv 2207.05221 (share: ours)",
        needs=(TruthAsked,),
        compute=lambda asked: _share_of_true(asked.masses),
        about="`p_true` as a share of what goes to words for true and false",
    ),
    _signal(
        "p_true_with_samples",
        "P(True), samples shown",
        source="arXiv 2207.05221",
        needs=(TruthAskedWithSamples,),
        compute=lambda asked: asked.masses[0],
        about="as `p_true`, the distinct sampled answers shown before the question",
    ),
    _signal(
        "stated_confidence_in_turn",
        "stated confidence, one turn",
        source="arXiv 2305.14975 (one turn, the answer forced)",
        needs=(ConfidenceInTurn,),
        compute=lambda stated: stated.share[0],
        about="the confidence from 0 to 100 that the model states behind its answer, as a share",
    ),
    _signal(
        "stated_confidence",
        "stated confidence, two turns",
        source="arXiv 2305.14975 (two turns)",
        needs=(ConfidenceAfterwards,),
        compute=lambda stated: stated.share[0],
        about="the confidence from 0 to 100 that the model states in a further turn, as a share",
    ),
    _signal(
        "self_probing",
        "self-probing",
        source="arXiv 2306.13063",
        needs=(ConfidenceOfProposal,),
        compute=lambda stated: stated.share[0],
        about="stated confidence in the answer as somebody's proposal, in a fresh turn with the "
        "image",
    ),
)
