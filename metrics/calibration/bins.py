"""Bins of a probability, of equal width or of equal mass."""

from __future__ import annotations

import numpy as np

from metrics.core.checks import FloatArray, IntArray


def bin_of_each(prob: FloatArray, n_bins: int, *, equal_mass: bool) -> tuple[IntArray, FloatArray]:
    """Return each sample's bin, and the bins' edges; tied probabilities share a bin."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    if equal_mass:
        inner = np.unique(np.quantile(prob, inner, method="inverted_cdf"))
        inner = inner[inner < prob.max()]
    # a bin holds (low, high], the first its lower end too
    index = np.searchsorted(inner, prob, side="left")
    return index, np.r_[0.0, inner, 1.0]
