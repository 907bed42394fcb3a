"""A threshold with a promise: of the answers at or above it, at most so many are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.abstention.betting import INSIDE, counts_of, p_below
from metrics.abstention.scored import RiskAtThreshold, Scored
from metrics.core.checks import FloatArray, Labels, between
from metrics.errors import UndefinedMetricError

MAX_THRESHOLDS = 100
MARGIN = 2  # times as many answers at the start of the sequence as would pass without an error


@dataclass(frozen=True)
class PromisedThreshold:
    """The lowest threshold for which the promise holds, and what it does where it was chosen.

    ``n_tested`` of ``n_thresholds`` were tested, and ``largest`` is the most questions that an
    image has. ``found.high`` is the bound at this threshold alone; the promise counts all that were
    tested.
    """

    found: RiskAtThreshold
    n_thresholds: int
    n_tested: int
    largest: int


def promised_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    risk: float,
    confidence: float = 0.95,
) -> PromisedThreshold:
    r"""Lowest threshold above which at most the share ``risk`` of answers is wrong, for certain.

    .. math:: \hat\tau = \min \{\tau_j : p_i \le \delta, \; a \le i \le j\}, \qquad
        P\big(R(\hat\tau) \le \alpha\big) \ge 1 - \delta

    Learn-then-Test with a fixed sequence: the thresholds :math:`\tau_1 > \tau_2 > \dots` are values
    of the score, at most 100 and chosen without labels; :math:`p_j` is the p-value of
    :math:`R(\tau_j) \ge \alpha` from `selective_risk_p_values`, over images. They are tested in
    falling order until one fails. A false promise is made only if the first of them whose risk is
    too high passes, which has the chance :math:`\delta`, so that no correction is needed. The
    sequence starts at :math:`\tau_a`, which shows twice as many answers as would pass without any
    error, or all: fewer would have to be all right. The promise is about new images like these, for
    this score and this model; thresholds are taken from the scores of the images tested, which
    simulations show to do no harm. Lower means that more is shown. Range: that of the
    score.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct; NaN where missing, and such an answer is never shown.
    groups : sequence, length n_samples
        Image of each sample.
    risk : float in (0, 1)
        Share of wrong answers among those shown that is tolerated, :math:`\alpha`.
    confidence : float in (0, 1), default 0.95
        :math:`1 - \delta`.

    Returns
    -------
    PromisedThreshold

    Raises
    ------
    UndefinedMetricError
        If no threshold can be promised; says whether there are too few images or too many errors.
    ValueError
        If an argument is malformed.

    References
    ----------
    Angelopoulos et al. (2021), arXiv 2110.01052, Learn then Test, fixed-sequence testing; the start
    of the sequence is ours.

    Examples
    --------
    >>> score = np.arange(400)
    >>> correct = (score >= 150) | (score % 2 == 0)  # half of the lower ones are wrong
    >>> promise = promised_threshold(correct, score, range(400), risk=0.1)
    >>> promise.found.threshold, promise.found.n_wrong, round(promise.found.high, 3)
    (112.0, 19, 0.095)
    """
    function = "promised_threshold"
    between(function, "risk", risk, 0, 1 - INSIDE)
    between(function, "confidence", confidence, 0, 1 - INSIDE)
    scored = Scored.of(function, y_true, y_score, groups)
    grid, delta = scored.thresholds(MAX_THRESHOLDS), 1 - confidence
    start = _start(scored, grid, risk, delta)
    if start is None:
        right, shown = np.ones_like(scored.correct), np.isfinite(scored.score)
        everything = counts_of(right, shown, scored.group)
        best = 1 - p_below(everything, risk)
        raise UndefinedMetricError(
            f"no threshold can be promised: {everything.shown.size} images are too few for a risk "
            f"of {risk:g} (without any error the confidence would be {best:.3g} at most)"
        )
    passed, n_tested = _passed(scored, grid[start:], risk, delta)
    if passed is None:
        raise UndefinedMetricError(
            f"no threshold can be promised: too many of the surest answers are wrong for a risk of "
            f"{risk:g} at confidence {confidence:g}"
        )
    return PromisedThreshold(
        scored.at(passed, confidence),
        grid.size,
        n_tested,
        int(np.bincount(scored.group).max()),
    )


def _start(scored: Scored, grid: FloatArray, risk: float, delta: float) -> int | None:
    """Return where the sequence starts, None where nothing could pass; labels play no part."""
    n_shown = [int((scored.score >= threshold).sum()) for threshold in grid]
    right = np.ones_like(scored.correct)
    for threshold, n in zip(grid, n_shown, strict=True):
        if p_below(counts_of(right, scored.score >= threshold, scored.group), risk) <= delta:
            wanted = min(MARGIN * n, n_shown[-1])
            return next(index for index, shown in enumerate(n_shown) if shown >= wanted)
    return None


def _passed(
    scored: Scored, grid: FloatArray, risk: float, delta: float
) -> tuple[float | None, int]:
    """Return the last threshold that passed before one failed, and how many were tested."""
    lowest = None
    for n_tested, threshold in enumerate(grid.tolist(), 1):
        counts = counts_of(scored.correct, scored.score >= threshold, scored.group)
        if p_below(counts, risk) > delta:
            return lowest, n_tested
        lowest = threshold
    return lowest, grid.size
