"""Linear correlation of a score with correctness, as the paper reports it.

It depends on the base rate (AUROC 0.78 goes with R 0.46 or 0.36), so it never ranks models.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from metrics.core.checks import (
    Labels,
    between,
    binary_labels,
    codes,
    finite_array,
    level_inside,
    same_length,
    two_classes,
    unit_scaled,
)
from metrics.core.clustered import Scale, clustered_degrees
from metrics.core.estimate import Estimate, estimate_from_influence, lone_class
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
    y, s = correct - correct.mean(), unit_scaled(score)
    s = unit_scaled(s - s.mean())
    return float(np.clip((y / np.linalg.norm(y)) @ (s / np.linalg.norm(s)), -1, 1))


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
    level_inside("fisher_interval", level)
    if not n >= 4 or abs(r) == 1:
        raise UndefinedMetricError(f"no Fisher interval for r = {r:g} at n = {n}")
    half = float(norm.ppf((1 + level) / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def point_biserial_estimate(
    y_true: ArrayLike, y_score: ArrayLike, *, groups: Labels, level: float = 0.95
) -> Estimate:
    r"""Point-biserial correlation with a t interval over images on Fisher's scale.

    .. math:: \tanh\left(\operatorname{artanh} R \pm t_f \frac{\sqrt V}{1 - R^2}\right), \qquad
        \psi_i = \frac1n \left(u_i v_i - \tfrac R2 (u_i^2 + v_i^2)\right)

    with u and v the standardised labels and scores, :math:`\psi_i` the influence of a sample,
    summed over images in V, and f as in `auroc_estimate`. Higher means the score rises with
    correctness. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined with a reason if the correlation is, or if all right or all wrong answers are of
        one image.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Fisher (1921), Metron 1, the scale; Devlin, Gnanadesikan and Kettenring (1975), Biometrika 62,
    the influence.

    Examples
    --------
    >>> y, s = [1, 1, 1, 1, 0, 0, 0, 0], [9, 7, 6, 2, 8, 3, 1, 0]
    >>> found = point_biserial_estimate(y, s, groups=range(8))
    >>> round(found.value, 4), found.low < found.value < found.high
    (0.4685, True)
    """
    function = "point_biserial_estimate"
    level_inside(function, level)
    correct = binary_labels(function, "y_true", y_true)
    group = codes(function, "groups", groups, correct.size)
    try:
        value = point_biserial(y_true, y_score)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    reason, images = lone_class(correct, group)
    if reason is not None:
        return Estimate.undefined(reason)
    y = (correct - correct.mean()) / correct.std()
    s = unit_scaled(np.asarray(y_score, np.float64))
    s = unit_scaled(s - s.mean())
    s = (s - s.mean()) / s.std()
    influence = (y * s - value / 2 * (y * y + s * s)) / y.size
    degrees = clustered_degrees(influence, group, least_images=images)
    scale: Scale = "fisher" if abs(value) < 1 else "identity"
    return estimate_from_influence(
        value, influence, group, level=level, scale=scale, degrees=degrees
    )
