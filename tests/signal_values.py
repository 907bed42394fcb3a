"""Made-up scores brought into the range that their signals declare."""

import numpy as np
from scipy.special import expit

from metrics.signals import ANY, BOUNDS


def in_range(name, score):
    """The same order inside the range of a signal."""
    low, high = BOUNDS.get(name, ANY)
    if np.isfinite(low) and not np.isfinite(high):
        return low + np.exp(score)
    if np.isfinite(low):
        return low + (high - low) * expit(score)
    return high - np.exp(-np.asarray(score)) if np.isfinite(high) else score
