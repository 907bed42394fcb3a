"""Promised thresholds: how often more of the answers shown are wrong than was promised.

The truth is the share of wrong answers at or above the threshold among very many images. Answers
of an image go together, and where every question is alone the score may be tied, or noise. That no
threshold is promised is no false alarm.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.simulations._worlds import Answers, population
from benchmarks.simulations.design import Design
from metrics.abstention.at_threshold import promise_verdict, risk_at_threshold
from metrics.abstention.promise import promised_threshold
from metrics.errors import UndefinedMetricError

CONFIDENCE = 0.9  # so that broken promises can be counted


def _true_risk(answers: Answers, threshold: float) -> float:
    correct, score = population(answers)
    shown = score >= threshold
    return float((~correct)[shown].mean()) if shown.any() else 0.0


def _promise(answers: Answers, risk: float, rng: np.random.Generator) -> float | None:
    correct, score, image = answers.draw(rng)
    try:
        found = promised_threshold(correct, score, image, risk=risk, confidence=CONFIDENCE)
    except UndefinedMetricError:
        return None
    return found.found.threshold


def _breaks(answers: Answers, risk: float, rng: np.random.Generator) -> bool:
    threshold = _promise(answers, risk, rng)
    return threshold is not None and _true_risk(answers, threshold) > risk


def _promises(answers: Answers, risk: float, rng: np.random.Generator) -> bool:
    return _promise(answers, risk, rng) is not None


def _wrong_verdict(answers: Answers, rng: np.random.Generator) -> bool:
    """Whether a threshold is said to break, or to keep, a promise that it only just keeps."""
    correct, score, image = answers.draw(rng)
    threshold = float(np.quantile(population(answers)[1], 0.4))
    truth = _true_risk(answers, threshold)
    found = risk_at_threshold(correct, score, image, threshold=threshold, confidence=CONFIDENCE)
    below = promise_verdict(found, risk=truth * (1 - 1e-9))
    above = promise_verdict(found, risk=truth * (1 + 1e-9))
    return below == "kept" or above == "broken"


def _name(answers: Answers, risk: float) -> str:
    return f"{answers}, risk {risk:g}"


# questions per image, errors, AUROC, tied scores, risk: at the edge of what can be promised
_EDGES = (
    (Answers(400, 1, 0.10, 0.5), 0.095),
    (Answers(400, 1, 0.10, 0.5, step=1.0), 0.095),
    (Answers(1000, 1, 0.01, 0.6), 0.0095),
    (Answers(400, 1, 0.40, 0.9), 0.05),
    (Answers(400, 1, 0.40, 0.9, step=0.5), 0.05),
    (Answers(300, 6, 0.20, 0.5, shared=0.9), 0.19),
    (Answers(300, 6, 0.20, 0.8), 0.1),
    (Answers(300, 6, 0.20, 0.8, step=0.5), 0.1),
    (Answers(300, 6, 0.01, 0.6), 0.0095),
    (Answers(100, 30, 0.20, 0.8), 0.1),
    (Answers(100, 30, 0.40, 0.8, shared=0.9), 0.35),
    (Answers(100, 30, 0.40, 0.9, step=0.5), 0.1),
)
_POWER = (
    (Answers(1000, 1, 0.10, 0.8), 0.05),
    (Answers(300, 6, 0.10, 0.9), 0.05),
    (Answers(300, 30, 0.20, 0.8), 0.1),
)

DESIGNS = (
    *(
        Design(
            "promised threshold, the risk above it is larger",
            _name(answers, risk),
            "false alarm",
            1 - CONFIDENCE,
            1 - CONFIDENCE,
            partial(_breaks, answers, risk),
            draws=600,
        )
        for answers, risk in _EDGES
    ),
    *(
        Design(
            "a threshold is promised",
            _name(answers, risk),
            "power",
            0.7,
            0.7,
            partial(_promises, answers, risk),
            draws=300,
        )
        for answers, risk in _POWER
    ),
    *(
        Design(
            "promise said to be kept or broken that is at its edge",
            str(answers),
            "false alarm",
            2 * (1 - CONFIDENCE),
            2 * (1 - CONFIDENCE),
            partial(_wrong_verdict, answers),
            draws=600,
        )
        for answers in (Answers(200, 1, 0.2, 0.7), Answers(100, 6, 0.2, 0.7, shared=0.9))
    ),
)
