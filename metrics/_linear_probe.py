"""L2 logistic regression on one layer's states: scaling, rotation, a path over C."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from metrics._checks import BoolArray, FloatArray, IntArray, refuse
from metrics._folds import training_folds
from metrics.discrimination import auroc
from metrics.errors import UndefinedMetricError

States = NDArray[np.float32]

# a dimension that varies less than this, relative to its mean, holds rounding error only
RELATIVE_SPREAD = 1e-5
RELATIVE_EIGENVALUE = 1e-6


@dataclass(frozen=True)
class Basis:
    """Standardisation, then (for many dimensions) rotation onto principal axes.

    L2 regression is unchanged by a rotation, so without truncation this only saves time;
    truncation to the leading axes is an approximation that the caller asks for.
    """

    mean: States
    inverse_scale: States
    axes: States | None

    @classmethod
    def fit(cls, x: States, max_components: int | None) -> Basis | None:
        """Fit on training rows; None if no dimension varies."""
        mean, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        varies = spread > RELATIVE_SPREAD * np.abs(mean)
        if not varies.any():
            return None
        inverse = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
        plain = cls(mean.astype(np.float32), inverse.astype(np.float32), None)
        n, d = x.shape
        limit = min(n, d) if max_components is None else min(n, d, max_components)
        if limit == d:
            return plain
        axes = _principal_axes(plain.transform(x), limit)
        return cls(plain.mean, plain.inverse_scale, axes)

    def transform(self, x: States) -> States:
        """Return coordinates of rows; shape (n, d) or (n, n_components)."""
        z: States = np.multiply(x - self.mean, self.inverse_scale, dtype=np.float32)
        return z if self.axes is None else np.matmul(z, self.axes, dtype=np.float32)

    def to_input(self, coef: FloatArray) -> FloatArray:
        """Bring coefficients of the coordinates back to the standardised dimensions."""
        mapped: FloatArray = coef if self.axes is None else self.axes.astype(np.float64) @ coef
        return mapped


def logistic_path(z: States, y: BoolArray, cs: tuple[float, ...]) -> list[tuple[FloatArray, float]]:
    """Return (coefficients, intercept) for each C, given in rising order; each starts at the last.

    A fit stopped by ``max_iter`` is kept: it is a probe like any other, and it is judged out of
    sample.
    """
    model = LogisticRegression(max_iter=300, warm_start=True)
    fitted = []
    wide = z.astype(np.float64)  # in float32 the solver stops early
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for c in cs:
            model.set_params(C=c).fit(wide, y)
            fitted.append((model.coef_[0].astype(np.float64), float(model.intercept_[0])))
    return fitted


def _principal_axes(z: States, limit: int) -> States:
    n, d = z.shape
    wide = d > n
    gram = (z @ z.T if wide else z.T @ z).astype(np.float64)
    size = gram.shape[0]
    values, vectors = linalg.eigh(gram, subset_by_index=[size - limit, size - 1])
    kept = values > RELATIVE_EIGENVALUE * values[-1]
    values, vectors = values[kept], vectors[:, kept].astype(np.float32)
    if not wide:
        return np.ascontiguousarray(vectors)
    axes: States = (z.T @ vectors) / np.sqrt(values).astype(np.float32)
    return axes


def layer_states(function: str, hidden: NDArray[np.floating], layer: int) -> States:
    """States of one layer, float32; refuse what is not finite."""
    states = np.ascontiguousarray(hidden[:, layer], dtype=np.float32)
    n_bad = int(states.size - np.isfinite(states).sum())
    if n_bad:
        got = f"{n_bad} non-finite of {states.size} at layer {layer}"
        raise refuse(function, "hidden", "finite", got)
    return states


def inner_validation(
    z: States, y: BoolArray, fold: IntArray, cs: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return out-of-fold decisions (n_Cs, n) and the mean AUROC over folds of each C."""
    decisions = np.empty((len(cs), y.size))
    aurocs: list[list[float]] = []
    for train, test in training_folds(y, fold):
        held_out = z[test].astype(np.float64)
        for i, (coef, intercept) in enumerate(logistic_path(z[train], y[train], cs)):
            decisions[i, test] = held_out @ coef + intercept
        if 0 < y[test].sum() < test.size:
            aurocs.append([auroc_or_nan(y[test], row) for row in decisions[:, test]])
    if not aurocs:
        raise UndefinedMetricError("no inner fold has both classes")
    return decisions, np.nan_to_num(np.mean(aurocs, axis=0), nan=0.5)


def auroc_or_nan(label: BoolArray, scores: FloatArray) -> float:
    """AUROC; NaN for scores that are constant or not all there."""
    if not np.isfinite(scores).all() or scores.min() == scores.max():
        return float("nan")
    return auroc(label, scores)
