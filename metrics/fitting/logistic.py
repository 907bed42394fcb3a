"""Logistic regressions on few columns, fitted on all folds but one and applied to that one."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.folds import training_folds

FARTHEST = 1e9  # standard deviations; what lies beyond may have no float


def fused_by_fold(
    x: FloatArray, label: BoolArray, fold: IntArray, *, c: float
) -> tuple[FloatArray, FloatArray]:
    """Return log-odds (n_samples,) and the weights of z-scored columns (n_folds, n_columns)."""
    scores, weights = np.empty(label.size), np.empty((int(fold.max()) + 1, x.shape[1]))
    for f, (train, test) in enumerate(training_folds(label, fold)):
        z = _standardised(x, x[train])
        model = _logistic(z[train], label[train], c)
        scores[test], weights[f] = model.decision_function(z[test]), model.coef_[0]
    return scores, weights


def _standardised(x: FloatArray, reference: FloatArray) -> FloatArray:
    # first to about 1, by an exact power of two: squares of 1e300 have no float
    exponent = -np.frexp(np.abs(reference).max(axis=0))[1]
    known = np.ldexp(reference, exponent)
    spread = known.std(axis=0)
    with np.errstate(over="ignore"):
        z = (np.ldexp(x, exponent) - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    clipped: FloatArray = np.clip(z, -FARTHEST, FARTHEST)
    return clipped


def _logistic(z: FloatArray, label: BoolArray, c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=1000).fit(z, label)
