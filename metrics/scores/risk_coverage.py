"""Selective prediction: the error rate among the answers a model would keep.

Tied scores have no order, so every figure is the exact mean over all orders of the ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import FloatArray, binary_labels, finite_array, same_length, two_classes
from metrics.errors import UndefinedMetricError


@dataclass(frozen=True)
class RiskCoverageCurve:
    """``risk[k - 1]`` is the expected error rate among the k highest scores, at coverage k / n."""

    coverage: FloatArray
    risk: FloatArray


def risk_coverage_curve(y_true: ArrayLike, y_score: ArrayLike) -> RiskCoverageCurve:
    r"""Error rate among the answers kept, for every number kept.

    .. math:: r_k = \frac{1}{k} E[\text{wrong answers among the } k \text{ highest scores}]

    the mean over all orders of tied scores. No direction: a curve. Range: risks in :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    RiskCoverageCurve
        Coverage k / n and risk, k = 1 … n.

    Raises
    ------
    UndefinedMetricError
        If all answers are correct, or all wrong, or the score is constant.
    ValueError
        If a label is not 0 or 1, a score is not finite, or lengths differ.

    References
    ----------
    Geifman and El-Yaniv (2017), arXiv 1705.08500; the mean over ties is ours.

    Examples
    --------
    >>> risk_coverage_curve([1, 0, 1, 0], [4, 3, 3, 1]).risk.round(4).tolist()
    [0.0, 0.25, 0.3333, 0.5]
    """
    correct = binary_labels("risk_coverage_curve", "y_true", y_true)
    score = finite_array("risk_coverage_curve", "y_score", y_score)
    same_length("risk_coverage_curve", "y_score", score, correct.size)
    two_classes(correct)
    if score.min() == score.max():
        raise UndefinedMetricError(f"constant score: {score[0]:g} for all {score.size} samples")
    _, level = np.unique(-score, return_inverse=True)
    n_at, errors_at = np.bincount(level), np.bincount(level, weights=~correct)
    # within a level, errors come at an even rate on average
    kept = np.arange(1, score.size + 1)
    wrong = np.cumsum(np.repeat(errors_at / n_at, n_at))
    return RiskCoverageCurve(kept / score.size, wrong / kept)


def aurc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Area under the risk–coverage curve.

    .. math:: \frac{1}{n} \sum_{k=1}^{n} r_k

    with :math:`r_k` from `risk_coverage_curve`. Lower means errors are kept later; a random score
    expects the error rate. Range: :math:`(0, 1)`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A mean risk.

    Raises
    ------
    UndefinedMetricError
        As in `risk_coverage_curve`.

    References
    ----------
    Geifman, Uziel and El-Yaniv (2019), arXiv 1805.08206.

    Examples
    --------
    >>> round(aurc([1, 0, 1, 0], [4, 3, 3, 1]), 4)
    0.2708
    """
    return float(risk_coverage_curve(y_true, y_score).risk.mean())


def e_aurc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""AURC in excess of a score that keeps every correct answer first.

    .. math:: AURC - AURC^*, \qquad AURC^* = \frac1n \sum_{k=n^+ + 1}^{n} \frac{k - n^+}{k}

    with :math:`n^+` the correct answers; exact, not the usual approximation by logarithms. Lower
    means closer to that oracle. Range: :math:`[0, 1)`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A difference of mean risks.

    Raises
    ------
    UndefinedMetricError
        As in `risk_coverage_curve`.

    References
    ----------
    Geifman, Uziel and El-Yaniv (2019), arXiv 1805.08206.

    Examples
    --------
    >>> e_aurc([1, 1, 0], [3, 2, 1])
    0.0
    """
    found = aurc(y_true, y_score)
    return max(0.0, found - _oracle_aurc(y_true))


def prr(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Prediction rejection ratio: how much of the oracle's gain over chance the score reaches.

    .. math:: PRR = \frac{r - AURC}{r - AURC^*}

    with :math:`r` the error rate, which is the AURC that a random score expects. Higher means
    better; 0 is chance, 1 the oracle. Range: :math:`(-\infty, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A ratio.

    Raises
    ------
    UndefinedMetricError
        As in `risk_coverage_curve`.

    References
    ----------
    Malinin et al. (2020), arXiv 2002.07650; here in closed form on 0/1 correctness.

    Examples
    --------
    >>> round(prr([1, 0, 1, 0], [4, 3, 3, 1]), 4)
    0.7857
    """
    found = aurc(y_true, y_score)
    error_rate = float(np.mean(np.asarray(y_true) == 0))
    return (error_rate - found) / (error_rate - _oracle_aurc(y_true))


def _oracle_aurc(y_true: ArrayLike) -> float:
    correct = np.asarray(y_true) == 1
    kept = np.arange(1, correct.size + 1)
    return float((np.maximum(kept - correct.sum(), 0) / kept).mean())
