"""Thresholds chosen on some images and used on others."""

from __future__ import annotations

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray


def threshold_of(score: FloatArray, coverage: float) -> float:
    """Return the quantile above which this share of the scores lies."""
    # halved: between -1.7e308 and 1.7e308 there is a number, but not their difference
    return 2 * float(np.quantile(score / 2, 1 - coverage))


def kept_by_other_folds(score: FloatArray, fold: IntArray, coverage: float) -> BoolArray:
    """Return which scores reach the threshold that keeps ``coverage`` of the other folds."""
    folds = range(int(fold.max()) + 1)
    thresholds = np.array([threshold_of(score[fold != f], coverage) for f in folds])
    kept: BoolArray = score >= thresholds[fold]
    return kept
