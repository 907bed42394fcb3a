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
    exactly when they are numbers. ``n_dropped`` counts resamples that lacked a class. ``note`` says
    where the interval is not a percentile interval, or must not be taken at its width.
    """

    value: float | None
    low: float | None
    high: float | None
    stderr: float | None
    reason: str | None
    n_dropped: int = 0
    note: str | None = None

    @classmethod
    def undefined(cls, reason: str, *, n_dropped: int = 0) -> Estimate:
        """Return an estimate that does not exist, and why."""
        return cls(None, None, None, None, reason, n_dropped)


def estimate_from_replicates(
    value: float, replicates: FloatArray, *, weights: Weights, level: float
) -> Estimate:
    """Return the percentile interval; undefined if the resamples cannot carry one."""
    between("estimate", "level", level, 0, 1)
    if _one_group(weights):
        return Estimate.undefined("one group only: no interval")
    kept = replicates[np.isfinite(replicates)]
    n_dropped = replicates.size - kept.size
    if n_dropped > MAX_DROPPED * replicates.size or kept.size < 2:
        return Estimate.undefined(
            f"{n_dropped} of {replicates.size} resamples lack a class", n_dropped=n_dropped
        )
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    stderr = float(kept.std(ddof=1))
    note = "every resample gives this value: no sign of certainty" if low == high else None
    return Estimate(value, float(low), float(high), stderr, None, n_dropped, note)


def _one_group(weights: Weights) -> bool:
    # a few resamples tell groups apart, except by rare chance
    few = weights[:16]
    return bool((few == few[:, :1]).all()) and bool((weights == weights[:, :1]).all())
