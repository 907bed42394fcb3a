"""Linear correlation of a score with correctness, as the paper reports it.

It depends on the base rate (AUROC 0.78 goes with R 0.46 or 0.36), so it never ranks models.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from metrics._checks import between, binary_labels, finite_array, same_length, two_classes
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._resampling import Weights, weighted_mean
from metrics.errors import UndefinedMetricError


def point_biserial(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Pearson correlation of a score with 0/1 correctness.

    .. math:: R = \frac{\bar s^+ - \bar s^-}{\sigma_s} \sqrt{a (1 - a)}

    with :math:`\bar s^\pm` the mean scores of correct and wrong answers, :math:`\sigma_s` the
    score's standard deviation and :math:`a` the accuracy. Higher means the score rises with
    correctness. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A correlation.

    Raises
    ------
    UndefinedMetricError
        If there is one class only or the score is constant.
    ValueError
        If an argument is malformed.

    References
    ----------
    arXiv 2606.17389, R(C_k), R(H_s), R(S_SC).

    Examples
    --------
    >>> round(point_biserial([1, 1, 0, 0], [3, 1, 1, 0]), 4)
    0.6882
    """
    correct = binary_labels("point_biserial", "y_true", y_true)
    score = finite_array("point_biserial", "y_score", y_score)
    same_length("point_biserial", "y_score", score, correct.size)
    two_classes(correct)
    if score.min() == score.max():
        raise UndefinedMetricError(f"constant score: {score[0]:g} for all {score.size} samples")
    return float(np.corrcoef(correct, score)[0, 1])


def fisher_interval(r: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    r"""Fisher's interval of a correlation, for independent samples.

    .. math:: \tanh\left(\operatorname{artanh} r \pm z / \sqrt{n - 3}\right)

    with :math:`z` the normal quantile. No direction. Range: within :math:`(-1, 1)`.

    Parameters
    ----------
    r : float in (-1, 1)
        The correlation.
    n : int
        Number of samples, at least 4.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    UndefinedMetricError
        If n < 4 or abs(r) = 1.
    ValueError
        If r is outside [-1, 1].

    References
    ----------
    Fisher (1921), Metron 1. The intervals published in arXiv 2606.17389 follow from it.

    Examples
    --------
    >>> low, high = fisher_interval(0.001, 3090)
    >>> round(low, 3), round(high, 3)
    (-0.034, 0.036)
    """
    between("fisher_interval", "r", abs(r), -1, 1)
    between("fisher_interval", "level", level, 0, 1)
    if n < 4 or abs(r) == 1:
        raise UndefinedMetricError(f"no Fisher interval for r = {r:g} at n = {n}")
    half = float(norm.ppf((1 + level) / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def point_biserial_estimate(
    y_true: ArrayLike, y_score: ArrayLike, *, weights: Weights, level: float = 0.95
) -> Estimate:
    r"""Point-biserial correlation with a percentile interval over resampled groups.

    .. math:: [q_{\alpha/2}, q_{1-\alpha/2}] \text{ of } R^*_1, \dots, R^*_B

    with :math:`R^*_b` the weighted correlation in resample :math:`b`. Higher means the score rises
    with correctness. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined with a reason if the correlation is.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7.

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(8), n_resamples=500, rng=np.random.default_rng(0))
    >>> y, s = [1, 1, 1, 1, 0, 0, 0, 0], [9, 7, 6, 2, 8, 3, 1, 0]
    >>> found = point_biserial_estimate(y, s, weights=weights)
    >>> round(found.value, 4), found.low < found.value < found.high
    (0.4685, True)
    """
    try:
        value = point_biserial(y_true, y_score)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    y, s = np.asarray(y_true, np.float64), np.asarray(y_score, np.float64)
    y, s = (y - y.mean()) / y.std(), (s - s.mean()) / s.std()
    my, ms, yy, ss, ys = weighted_mean(np.stack([y, s, y * y, s * s, y * s]), weights.T)
    spread = np.sqrt(np.maximum((yy - my**2) * (ss - ms**2), 0))
    replicates = np.full(spread.size, np.nan)
    np.divide(ys - my * ms, spread, out=replicates, where=spread > 1e-12)
    return estimate_from_replicates(value, replicates, weights=weights, level=level)
