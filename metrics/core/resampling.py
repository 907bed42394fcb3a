"""Weights of resamples, and means under all of them at once.

Weights are (n_samples, n_resamples): how often each sample is in each resample, resamples along the
contiguous axis. Work goes in blocks of resamples that fit the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import FloatArray

Weights = NDArray[np.uint16]

BLOCK = 128
FEWEST = 16  # resamples of a block, however many samples
CELLS = 2**22  # of a block: with 32,768 samples and less it has 128 resamples


def blocks(n_resamples: int, n_samples: int) -> Iterator[slice]:
    """Yield slices of resamples, fewer at a time of many samples."""
    most = max(FEWEST, min(BLOCK, CELLS // max(1, n_samples)))
    for start in range(0, n_resamples, most):
        yield slice(start, min(start + most, n_resamples))


def weighted_mean(values: FloatArray, weights: Weights) -> FloatArray:
    """Return the mean of (n,) or of each row of (k, n), per resample; NaN for an empty one."""
    result = np.full((*values.shape[:-1], weights.shape[1]), np.nan)
    for columns in blocks(weights.shape[1], len(weights)):
        block = weights[:, columns].astype(np.float64)
        totals = block.sum(axis=0)
        np.divide(values @ block, totals, out=result[..., columns], where=totals > 0)
    return result
