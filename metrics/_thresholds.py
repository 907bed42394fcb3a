"""Thresholds chosen on some images and used on others."""

from __future__ import annotations

import numpy as np

from metrics._checks import BoolArray, FloatArray, IntArray


def kept_by_other_folds(score: FloatArray, fold: IntArray, coverage: float) -> BoolArray:
    """Return which scores reach the threshold that keeps ``coverage`` of the other folds."""
    folds = range(int(fold.max()) + 1)
    thresholds = np.array([np.quantile(score[fold != f], 1 - coverage) for f in folds])
    kept: BoolArray = score >= thresholds[fold]
    return kept
