r"""The interval of an AUROC of exactly 1 or 0, where no sample moves the value.

Take m pairs of a right and a wrong answer, each from images of its own. They are independent, and
each is concordant with probability A, so all of them are with probability :math:`A^m`. Having seen
that, A below :math:`\alpha^{1/m}` is refused at level :math:`\alpha`: with 95 % about 1 - 3/m, the
rule of three. Within strata each stratum's part is bounded in this way.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from metrics.core.checks import BoolArray, IntArray
from metrics.core.estimate import Estimate, few_images, joined

NOTE = "perfect separation: one-sided bound from independent pairs (rule of three)"


def separation_bound(
    value: float, correct: BoolArray, strata: IntArray, group: IntArray, level: float
) -> Estimate:
    """Return the estimate of an AUROC of exactly 1 or 0, with the bound for its interval."""
    miss = _largest_miss(correct, strata, group, 1 - level)
    low, high = (1 - miss, 1.0) if value == 1 else (0.0, miss)
    stderr = miss / (2 * float(norm.ppf((1 + level) / 2)))
    note = joined(few_images(int(np.unique(group).size)), NOTE)
    return Estimate(value, low, high, stderr, None, note=note)


def _largest_miss(correct: BoolArray, strata: IntArray, group: IntArray, alpha: float) -> float:
    miss, pairs = 0.0, 0
    for stratum in np.unique(strata):
        inside = strata == stratum
        right, wrong = group[inside & correct], group[inside & ~correct]
        if right.size and wrong.size:
            independent = max(1, n_disjoint(right, wrong))
            miss += right.size * wrong.size * (1 - alpha ** (1 / independent))
            pairs += right.size * wrong.size
    return miss / pairs


def n_disjoint(right: IntArray, wrong: IntArray) -> int:
    """Return how many pairs of a right and a wrong answer share no image with each other."""
    one, other = np.unique(right), np.unique(wrong)
    return min(one.size, other.size, np.union1d(one, other).size // 2)
