r"""Standard errors over images without resampling, and the intervals made of them.

A statistic that is smooth in the samples moves, to first order, by the sum of their *influences*
:math:`\psi_i`. Samples of one image are not independent, but images are, so

.. math:: V = \frac{G}{G - 1} \sum_g \Big(\sum_{i \in g} \psi_i\Big)^2

and intervals use Student's t with at most :math:`G - 1` degrees of freedom (Bell and McCaffrey
2002; Cameron and Miller 2015, J. Human Resources 50), on a scale where the figure is nearly normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import rankdata
from scipy.stats import t as student

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    level_inside,
    unit_exponent,
    unit_scaled,
)

Scale = Literal["identity", "log", "logit", "fisher"]
LARGEST = 700.0  # whose exponential is a number
_Map = Callable[[float], float]
# there, back, and the derivative there: "fisher" is artanh, for correlations
_SCALES: dict[Scale, tuple[_Map, _Map, _Map]] = {
    "identity": (lambda v: v, lambda x: x, lambda v: 1.0),
    "log": (math.log, lambda x: math.exp(min(x, LARGEST)), lambda v: 1 / v),
    "logit": (lambda v: float(logit(v)), lambda x: float(expit(x)), lambda v: 1 / (v * (1 - v))),
    "fisher": (math.atanh, math.tanh, lambda v: 1 / (1 - v * v)),
}


def clustered_stderr(influence: FloatArray, group: IntArray) -> float:
    """Return the standard error of a figure from the influence of each sample, shape (n,).

    NaN with one group. ``influence`` sums to about 0 and is that of the figure itself (divided by
    n already): for a mean it is (y − mean) / n.
    """
    sums = _sums(influence, group)
    if sums.size < 2:
        return math.nan
    exponent = unit_exponent(sums)  # squares of huge or tiny sums have no float
    squares = float((np.ldexp(sums, -exponent) ** 2).sum())
    return float(np.ldexp(math.sqrt(sums.size / (sums.size - 1) * squares), exponent))


def clustered_degrees(influence: FloatArray, group: IntArray, *, least_images: int) -> float:
    r"""Return the degrees of freedom of the standard error, at most G − 1.

    .. math:: \frac{1}{f} = \frac{1}{f_\kappa} + \frac{1}{G_{least} - 1} - \frac{1}{G - 1}, \qquad
        f_\kappa = \min\left(G - 1, \frac{2 G}{\kappa - 1}\right)

    A variance estimated from sums with kurtosis :math:`\kappa` is as uncertain as one with
    :math:`f_\kappa` degrees (Satterthwaite 1946); :math:`G_{least}` (``least_images``) are the
    images that hold the rarer class. So few images that carry the figure make it wider, although
    there are many others.
    """
    sums = unit_scaled(_sums(influence, group))
    n, squares = sums.size, float((sums**2).sum())
    kurtosis = n * float(((sums / math.sqrt(squares)) ** 4).sum()) if squares else 1.0
    by_kurtosis = min(n - 1.0, 2 * n / (kurtosis - 1)) if kurtosis > 1 else n - 1.0
    return 1 / (1 / by_kurtosis + 1 / (least_images - 1) - 1 / (n - 1))


def _sums(influence: FloatArray, group: IntArray) -> FloatArray:
    code = np.unique(group, return_inverse=True)[1]
    return np.bincount(code, weights=influence).astype(np.float64, copy=False)


def t_interval(
    value: float, stderr: float, degrees: float, *, level: float, scale: Scale = "identity"
) -> tuple[float, float]:
    """Return the t interval of a figure; it stays inside the range of its scale.

    The standard error on a scale is that of the delta method, on the logit scale SE / (v (1 − v));
    ``value`` must be inside the scale's range.
    """
    level_inside("t_interval", level)
    there, back, slope = _SCALES[scale]
    half = float(student.ppf((1 + level) / 2, degrees)) * stderr * slope(value)
    return back(there(value) - half), back(there(value) + half)


def t_p_value(value: float, stderr: float, degrees: float) -> float:
    """Return the two-sided p-value of a figure that is 0 under the null hypothesis."""
    return float(2 * student.sf(abs(value) / stderr, degrees))


def in_mixed_stratum(correct: BoolArray, strata: IntArray) -> BoolArray:
    """Return which samples are in a pair: their stratum holds right and wrong answers."""
    n_correct = np.bincount(strata, weights=correct)
    mixed: BoolArray = ((n_correct > 0) & (np.bincount(strata) > n_correct))[strata]
    return mixed


def auroc_influence(
    correct: BoolArray, score: FloatArray, strata: IntArray
) -> tuple[float, FloatArray]:
    r"""Return the concordance over pairs within strata, and the influence of each sample.

    .. math:: \psi_i = (c_i - A \, p_i) / P

    with :math:`p_i` the pairs of a right and a wrong answer that sample i is in, :math:`c_i` how
    many of them are concordant (ties half), and :math:`P` all pairs: DeLong's placements, summed
    over images as in Obuchowski (1997), Biometrics 53. NaN where there is no pair.
    """
    concordant, pairs = np.zeros(score.size), np.zeros(score.size)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        right, wrong = rows[correct[rows]], rows[~correct[rows]]
        if not (right.size and wrong.size):
            continue
        rank = rankdata(score[np.r_[right, wrong]])
        below = rank[: right.size] - rankdata(score[right])  # wrong answers below, ties half
        above = right.size - (rank[right.size :] - rankdata(score[wrong]))
        concordant[right], pairs[right] = below, wrong.size
        concordant[wrong], pairs[wrong] = above, right.size
    n_pairs = pairs.sum() / 2
    if not n_pairs:
        return math.nan, np.full(score.size, math.nan)
    value = float(concordant.sum() / 2 / n_pairs)
    return value, (concordant - value * pairs) / n_pairs
