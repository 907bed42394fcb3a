"""What a threshold does: how much it shows, how much of that is wrong, whether a promise holds."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from metrics.abstention.betting import INSIDE
from metrics.abstention.scored import RiskAtThreshold, Scored
from metrics.core.checks import Labels, at_least, between, refuse

Verdict = Literal["kept", "broken", "cannot tell"]


def risk_at_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    threshold: float,
    confidence: float = 0.95,
) -> RiskAtThreshold:
    r"""What a threshold, chosen elsewhere, does on these answers.

    .. math:: \hat R = \frac{\sum_i k_i w_i}{\sum_i k_i}, \qquad k_i = [s_i \ge \tau]

    with the bounds of `selective_risk_bounds`, and the share that is shown with its interval. Lower
    means fewer wrong answers shown. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct; NaN where missing, and such an answer is never shown.
    groups : sequence, length n_samples
        Image of each sample.
    threshold : float
        Answers with this score or a higher one are shown.
    confidence : float in (0, 1), default 0.95
        Of each bound.

    Returns
    -------
    RiskAtThreshold

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If an argument is malformed.

    References
    ----------
    Geifman and El-Yaniv (2017), arXiv 1705.08500, selective risk; bounds over images are ours.

    Examples
    --------
    >>> found = risk_at_threshold([1, 1, 0, 1], [3, 2, 2, 1], range(4), threshold=2)
    >>> round(found.risk, 4), found.coverage.value, found.n_shown
    (0.3333, 0.75, 3)
    """
    function = "risk_at_threshold"
    between(function, "confidence", confidence, 0, 1 - INSIDE)
    if not np.isfinite(threshold):
        raise refuse(function, "threshold", "finite", threshold)
    return Scored.of(function, y_true, y_score, groups).at(threshold, confidence)


def promise_verdict(found: RiskAtThreshold, *, risk: float) -> Verdict:
    """Whether a promise holds on other answers, at the confidence of the bounds.

    *kept*: the risk is at most the promised one even at its upper bound; *broken*: it is more even
    at its lower bound; else *cannot tell*.

    Parameters
    ----------
    found : RiskAtThreshold
        On answers that the threshold was not chosen on.
    risk : float in (0, 1)
        What was promised.

    Returns
    -------
    str

    References
    ----------
    Ours.

    Examples
    --------
    >>> found = risk_at_threshold([1] * 100, [1] * 100, range(100), threshold=0)
    >>> promise_verdict(found, risk=0.05), promise_verdict(found, risk=0.01)
    ('kept', 'cannot tell')
    """
    if found.high <= risk:
        return "kept"
    return "broken" if found.low > risk else "cannot tell"


def risk_by_threshold(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    confidence: float = 0.95,
    n_points: int = 40,
) -> tuple[RiskAtThreshold, ...]:
    r"""Risk of the answers shown, with its bounds, over the threshold.

    .. math:: \tau_j \mapsto \hat R(\tau_j)

    Each bound is for its threshold alone: the promise of `promised_threshold` counts that one was
    chosen. No direction: a curve. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct; NaN where missing, and such an answer is never shown.
    groups : sequence, length n_samples
        Image of each sample.
    confidence : float in (0, 1), default 0.95
        Of each bound.
    n_points : int >= 2, default 40
        At most so many thresholds, evenly over the answers.

    Returns
    -------
    tuple of RiskAtThreshold
        From the highest threshold to the lowest.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or none has a score.
    ValueError
        If an argument is malformed.

    References
    ----------
    Geifman and El-Yaniv (2017), arXiv 1705.08500, selective risk; bounds over images are ours.

    Examples
    --------
    >>> found = risk_by_threshold([1, 1, 0, 1], [3, 2, 2, 1], range(4))
    >>> [(point.threshold, round(point.risk, 4)) for point in found]
    [(3.0, 0.0), (2.0, 0.3333), (1.0, 0.25)]
    """
    function = "risk_by_threshold"
    between(function, "confidence", confidence, 0, 1 - INSIDE)
    at_least(function, "n_points", n_points, 2)
    scored = Scored.of(function, y_true, y_score, groups)
    return tuple(scored.at(threshold, confidence) for threshold in scored.thresholds(n_points))
