"""One figure over several benchmarks and models, which differ by more than their own noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import t as student

from metrics.core.checks import FloatArray, finite_array, level_inside, refuse, same_length
from metrics.core.estimate import Estimate

LEAST = 2
LARGEST = 1e100  # the squares of what is larger, or of 1 / what is smaller, have no float


@dataclass(frozen=True)
class RandomEffects:
    """Mean over settings, and ``spread``: standard deviation of the true figures among them.

    ``spread`` is None where there is no mean.
    """

    mean: Estimate
    spread: float | None
    n: int


def random_effects_mean(
    values: ArrayLike, stderrs: ArrayLike, *, level: float = 0.95
) -> RandomEffects:
    r"""Mean of a figure over settings whose true figures differ.

    .. math:: \hat\mu = \frac{\sum_i w_i y_i}{\sum_i w_i}, \quad w_i = \frac{1}{s_i^2 + \tau^2},
        \quad \sum_i w_i (y_i - \hat\mu)^2 = k - 1, \qquad
        \hat\mu \pm t_{k-1} \sqrt{\frac{\max(1, q)}{\sum_i w_i}}, \quad
        q = \frac{\sum_i w_i (y_i - \hat\mu)^2}{k - 1}

    with :math:`\tau` the spread of the true figures (Paule and Mandel; 0 where the values differ by
    no more than their noise) and the interval of Hartung and Knapp, which knows that few settings
    say little of :math:`\tau`; never narrower than with the weights taken for known. The settings
    are taken as independent. No direction. Range: that of the values; the spread is not negative.

    Parameters
    ----------
    values : float array, shape (k,)
        One figure a setting, for instance a difference of AUROCs; from -1e100 to 1e100.
    stderrs : float array, shape (k,)
        Their standard errors, from 1e-100 to 1e100.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    RandomEffects
        Undefined with a reason for fewer than two settings.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Paule and Mandel (1982), J. Research NBS 87; Hartung and Knapp (2001), Statistics in Medicine
    20; Jackson et al. (2017), Statistics in Medicine 36, for max(1, q); Veroniki et al. (2016),
    Research Synthesis Methods 7, for the choice.

    Examples
    --------
    >>> found = random_effects_mean([0.02, 0.10, 0.01, 0.07], [0.02, 0.02, 0.03, 0.02])
    >>> round(found.mean.value, 4), round(found.spread, 4)
    (0.0524, 0.0356)
    """
    function = "random_effects_mean"
    level_inside(function, level)
    y, s = finite_array(function, "values", values), finite_array(function, "stderrs", stderrs)
    same_length(function, "stderrs", s, y.size)
    if (s <= 0).any():
        raise refuse(function, "stderrs", "> 0 everywhere", f"{s.min():g}")
    if (s < 1 / LARGEST).any() or (s > LARGEST).any():
        odd = s.min() if s.min() < 1 / LARGEST else s.max()
        raise refuse(function, "stderrs", "from 1e-100 to 1e100", f"{odd:g}")
    if (np.abs(y) > LARGEST).any():
        raise refuse(function, "values", "from -1e100 to 1e100", f"{np.abs(y).max():g}")
    if y.size < LEAST:
        some = "one setting" if y.size else "no setting"
        return RandomEffects(Estimate.undefined(f"{some}: nothing to pool"), None, y.size)
    variance = _between(y, s**2)
    weight = 1 / (s**2 + variance)
    mean, excess = _weighted(y, weight)
    stderr = math.sqrt(max(1.0, excess / (y.size - 1)) / float(weight.sum()))
    half = float(student.ppf((1 + level) / 2, y.size - 1)) * stderr
    return RandomEffects(
        Estimate(mean, mean - half, mean + half, stderr, None), math.sqrt(variance), y.size
    )


def _weighted(y: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Weighted mean, and the weighted squares about it."""
    mean = float((weight * y).sum() / weight.sum())
    return mean, float((weight * (y - mean) ** 2).sum())


def _between(y: FloatArray, variances: FloatArray) -> float:
    """Return the variance between settings with which the weighted squares are k − 1."""

    def excess(between: float) -> float:
        return _weighted(y, 1 / (variances + between))[1] - (y.size - 1)

    if excess(0.0) <= 0:
        return 0.0
    most = float(((y - y.mean()) ** 2).sum())  # there all weights are below 1 / squares
    return float(brentq(excess, 0.0, most, xtol=1e-15 * max(most, 1e-300), rtol=1e-12))
