"""Tests of how often a shown answer is wrong, from counts per image: by betting on images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import binom

from metrics.core.checks import BoolArray, FloatArray, IntArray

N_BETS = 64
# Half of the stake is on the largest bet, the best where few answers of an image are shown or they
# are hardly alike; Chebyshev's nodes share the rest: the arcsine law, for large and small bets.
_BETS = np.r_[1, (1 + np.cos((2 * np.arange(1, N_BETS + 1) - 1) * np.pi / (2 * N_BETS))) / 2]
_STAKES = np.r_[0.5, np.full(N_BETS, 0.5 / N_BETS)]
INSIDE = 1e-12


@dataclass(frozen=True)
class ShownCounts:
    """Of each image how many answers are shown, how many of those are wrong, and ``largest``."""

    shown: IntArray
    wrong: IntArray
    largest: int


def counts_of(correct: BoolArray, shown: BoolArray, group: IntArray) -> ShownCounts:
    """Count per image; ``group`` are codes from 0."""
    n = int(group.max()) + 1
    per_image = np.bincount(group, minlength=n)
    return ShownCounts(
        np.bincount(group[shown], minlength=n),
        np.bincount(group[shown & ~correct], minlength=n),
        int(per_image.max()),
    )


def p_below(counts: ShownCounts, risk: float) -> float:
    """P-value of a risk of ``risk`` or more: small where it is below."""
    if counts.largest == 1:
        return float(binom.cdf(counts.wrong.sum(), counts.shown.sum(), risk))
    return _of_bets(counts, risk, -1.0 / (1 - risk))


def p_above(counts: ShownCounts, risk: float) -> float:
    """P-value of a risk of ``risk`` or less: small where it is above."""
    if counts.largest == 1:
        return float(binom.sf(counts.wrong.sum() - 1, counts.shown.sum(), risk))
    return _of_bets(counts, risk, 1.0 / risk)


def upper_bound(counts: ShownCounts, confidence: float) -> float:
    """Largest risk that is not refuted."""
    seen, delta = _observed(counts), 1 - confidence
    if seen is None or p_below(counts, 1 - INSIDE) > delta:
        return 1.0
    return float(brentq(lambda a: p_below(counts, a) - delta, max(seen, INSIDE), 1 - INSIDE))


def lower_bound(counts: ShownCounts, confidence: float) -> float:
    """Least risk that is not refuted."""
    seen, delta = _observed(counts), 1 - confidence
    if not seen or p_above(counts, INSIDE) > delta:
        return 0.0
    return float(brentq(lambda a: p_above(counts, a) - delta, INSIDE, min(seen, 1 - INSIDE)))


def _observed(counts: ShownCounts) -> float | None:
    n = int(counts.shown.sum())
    return int(counts.wrong.sum()) / n if n else None


def _of_bets(counts: ShownCounts, risk: float, most: float) -> float:
    """Return the p-value of bets that lose where an image's loss is on the side of ``most``."""
    pairs, times = np.unique(
        np.stack([counts.shown, counts.wrong]), axis=1, return_counts=True
    )  # images that count alike
    loss: FloatArray = (pairs[1] - risk * pairs[0]) / counts.largest
    with np.errstate(divide="ignore"):
        factors = np.log1p(np.maximum(np.outer(_BETS, most * loss), -1.0))  # rounding
    wealth = float(logsumexp(factors @ times, b=_STAKES))
    return min(1.0, math.exp(-max(wealth, 0.0)))
