"""A paired difference made from its replicates."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from metrics._checks import FloatArray
from metrics._estimate import estimate_from_replicates
from metrics._resampling import Weights
from metrics.comparison import Difference, smallest_detectable_difference

# enough resamples to tell any two groups apart
N_IDENTIFYING = 64


def difference_of_replicates(
    value: float, replicates: FloatArray, *, weights: Weights, level: float
) -> Difference:
    """Return the difference with its interval and a normal test on its standard error.

    Where every resample gives the same difference and it is not zero, all groups lie on one side:
    the p-value is then that of the sign test over groups.
    """
    estimate = estimate_from_replicates(value, replicates, weights=weights, level=level)
    if estimate.stderr is None or (estimate.stderr == 0 and value == 0):
        return Difference(estimate, None, None)
    if estimate.stderr == 0:
        return Difference(estimate, min(1.0, 2.0 ** (1 - _n_groups(weights))), None)
    p = float(2 * norm.sf(abs(value) / estimate.stderr))
    return Difference(estimate, p, smallest_detectable_difference(estimate.stderr))


def _n_groups(weights: Weights) -> int:
    return int(np.unique(weights[:N_IDENTIFYING], axis=1).shape[1])
