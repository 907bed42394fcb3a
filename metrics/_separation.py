r"""The interval of an AUROC of exactly 1 or 0, where every resample repeats the value.

Take m pairs of a right and a wrong answer, each from images of its own. They are independent, and
each is concordant with probability A, so all of them are with probability :math:`A^m`. Having seen
that, A below :math:`\alpha^{1/m}` is refused at level :math:`\alpha`: with 95 % about 1 - 3/m, the
rule of three. Within strata each stratum's part is bounded in this way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import norm

from metrics._checks import BoolArray, IntArray
from metrics._estimate import Estimate
from metrics._resampling import Weights

NOTE = "perfect in every resample: one-sided bound from independent pairs (rule of three)"
# enough resamples to tell any two images apart
N_IDENTIFYING = 64


def with_separation_bound(
    found: Estimate, correct: BoolArray, strata: IntArray, weights: Weights, level: float
) -> Estimate:
    """Return the estimate, with the bound for its interval if the value is 1 or 0 throughout."""
    if found.value is None or found.value not in (0.0, 1.0) or found.low != found.high:
        return found
    bound = separation_bound(found.value, correct, strata, _groups(weights), level)
    return replace(bound, n_dropped=found.n_dropped)


def separation_bound(
    value: float, correct: BoolArray, strata: IntArray, group: IntArray, level: float
) -> Estimate:
    """Return the estimate of an AUROC that is 1 or 0."""
    miss = _largest_miss(correct, strata, group, 1 - level)
    low, high = (1 - miss, 1.0) if value == 1 else (0.0, miss)
    stderr = miss / (2 * float(norm.ppf((1 + level) / 2)))
    return Estimate(value, low, high, stderr, None, note=NOTE)


def _largest_miss(correct: BoolArray, strata: IntArray, group: IntArray, alpha: float) -> float:
    miss, pairs = 0.0, 0
    for stratum in np.unique(strata):
        inside = strata == stratum
        right, wrong = group[inside & correct], group[inside & ~correct]
        if right.size and wrong.size:
            independent = max(1, _n_disjoint(right, wrong))
            miss += right.size * wrong.size * (1 - alpha ** (1 / independent))
            pairs += right.size * wrong.size
    return miss / pairs


def _n_disjoint(right: IntArray, wrong: IntArray) -> int:
    """Return how many pairs of a right and a wrong answer share no image with each other."""
    one, other = np.unique(right), np.unique(wrong)
    return min(one.size, other.size, np.union1d(one, other).size // 2)


def _groups(weights: Weights) -> IntArray:
    """Return which samples are always drawn together."""
    few = np.ascontiguousarray(weights[:N_IDENTIFYING].T)
    return np.unique(few, axis=0, return_inverse=True)[1].ravel()
