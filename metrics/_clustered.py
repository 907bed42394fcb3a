r"""Standard errors over images without resampling, and the intervals made of them.

A statistic that is smooth in the samples moves, to first order, by the sum of their *influences*
:math:`\psi_i`. Samples of one image are not independent, but images are, so

.. math:: V = \frac{G}{G - 1} \sum_g \Big(\sum_{i \in g} \psi_i\Big)^2

and intervals use Student's t with :math:`G - 1` degrees of freedom (Bell and McCaffrey 2002;
Cameron and Miller 2015, J. Human Resources 50), on a scale where the figure is nearly normal.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy.special import expit, logit
from scipy.stats import rankdata
from scipy.stats import t as student

from metrics._checks import BoolArray, FloatArray, IntArray, between

Scale = Literal["identity", "logit"]


def clustered_stderr(influence: FloatArray, group: IntArray) -> float:
    """Return the standard error of a figure from the influence of each sample, shape (n,).

    NaN with one group. ``influence`` sums to about 0 and is that of the figure itself (divided by
    n already): for a mean it is (y − mean) / n.
    """
    sums = np.bincount(np.unique(group, return_inverse=True)[1], weights=influence)
    if sums.size < 2:
        return math.nan
    return math.sqrt(sums.size / (sums.size - 1) * float((sums**2).sum()))


def t_interval(
    value: float, stderr: float, degrees: float, *, level: float, scale: Scale = "identity"
) -> tuple[float, float]:
    """Return the t interval of a figure; on the logit scale it stays inside (0, 1).

    On the logit scale the standard error is that of the delta method, SE / (v (1 − v)); ``value``
    must then be inside (0, 1).
    """
    between("t_interval", "level", level, 0, 1)
    quantile = float(student.ppf((1 + level) / 2, degrees))
    if scale == "identity":
        return value - quantile * stderr, value + quantile * stderr
    half = quantile * stderr / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def t_p_value(value: float, stderr: float, degrees: float) -> float:
    """Return the two-sided p-value of a figure that is 0 under the null hypothesis."""
    return float(2 * student.sf(abs(value) / stderr, degrees))


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
