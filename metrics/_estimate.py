"""A figure with its interval, made from its replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics._checks import FloatArray, between
from metrics._resampling import Weights

MAX_DROPPED = 0.10


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, or why there is none.

    ``value``, ``low``, ``high`` and ``stderr`` are all numbers or all None; ``reason`` is None
    exactly when they are numbers. ``n_dropped`` counts resamples that lacked a class.
    """

    value: float | None
    low: float | None
    high: float | None
    stderr: float | None
    reason: str | None
    n_dropped: int = 0

    @classmethod
    def undefined(cls, reason: str, *, n_dropped: int = 0) -> Estimate:
        """Return an estimate that does not exist, and why."""
        return cls(None, None, None, None, reason, n_dropped)


def estimate_from_replicates(
    value: float, replicates: FloatArray, *, weights: Weights, level: float
) -> Estimate:
    """Return the percentile interval; undefined if the resamples cannot carry one."""
    between("estimate", "level", level, 0, 1)
    if (weights == weights[:, :1]).all():
        return Estimate.undefined("one group only: no interval")
    kept = replicates[np.isfinite(replicates)]
    n_dropped = replicates.size - kept.size
    if n_dropped > MAX_DROPPED * replicates.size or kept.size < 2:
        return Estimate.undefined(
            f"{n_dropped} of {replicates.size} resamples lack a class", n_dropped=n_dropped
        )
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    stderr = float(kept.std(ddof=1))
    return Estimate(value, float(low), float(high), stderr, None, n_dropped)
