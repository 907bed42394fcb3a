"""Wilson's interval, for shares of which the standard error is known."""

from __future__ import annotations

import math

from scipy.stats import t as student

from metrics.core.checks import FloatArray, IntArray
from metrics.core.clustered import clustered_degrees, clustered_stderr
from metrics.core.estimate import Estimate, few_images


def wilson(p: float, m: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval of a share of m trials."""
    # divided by m + q², not by 1 + q² / m, which is infinite for tiny m
    square = quantile * quantile
    centre = (p * m + square / 2) / (m + square)
    half = quantile * math.sqrt(p * (1 - p) * m + square / 4) / (m + square)
    # exact at the ends, where rounding would leave the estimate outside its interval
    return 0.0 if p == 0 else centre - half, 1.0 if p == 1 else centre + half


def share_from_influence(
    p: float, influence: FloatArray, group: IntArray, *, level: float
) -> Estimate:
    """Return a share inside (0, 1) with Wilson's interval by t over images.

    The trials are those of a binomial share with the standard error of ``influence``, but no more
    than there are samples.
    """
    n_groups = int(group.max()) + 1
    stderr = max(clustered_stderr(influence, group), math.sqrt(p * (1 - p) / group.size))
    degrees = clustered_degrees(influence, group, least_images=n_groups)
    quantile = float(student.ppf((1 + level) / 2, degrees))
    low, high = wilson(p, p * (1 - p) / stderr**2, quantile)
    return Estimate(p, low, high, stderr, None, note=few_images(n_groups))
