"""Logistic regression on one layer's states: scaling, rotation, a path over C, one fold of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from metrics.core.checks import BoolArray, FloatArray, IntArray, refuse
from metrics.core.folds import training_folds
from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc

States = NDArray[np.float32]
# (states, labels, Cs in rising order) -> (coefficients, intercept) for each C
Path = Callable[[States, BoolArray, tuple[float, ...]], list[tuple[FloatArray, float]]]

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
        plain = cls.standardising(x)
        n, d = x.shape
        limit = min(n, d) if max_components is None else min(n, d, max_components)
        if plain is None or limit == d:
            return plain
        axes = _principal_axes(plain.transform(x), limit)
        return cls(plain.mean, plain.inverse_scale, axes)

    @classmethod
    def standardising(cls, x: States) -> Basis | None:
        """Fit on training rows, without a rotation; None if no dimension varies."""
        mean, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        varies = spread > RELATIVE_SPREAD * np.abs(mean)
        if not varies.any():
            return None
        inverse = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
        return cls(mean.astype(np.float32), inverse.astype(np.float32), None)

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


def sparse_path(
    z: States, y: BoolArray, cs: tuple[float, ...], *, tolerance: float = 1e-6
) -> list[tuple[FloatArray, float]]:
    """Return (coefficients, intercept) for each C under an L1 penalty.

    liblinear penalises the intercept too; scaled by 10,000 it is free in effect (on 400 × 16 with
    80 % correct, weights within 2e-5 of saga's; unscaled, the planted one was 16 % too small).
    """
    fitted = []
    wide = z.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for c in cs:
            model = LogisticRegression(
                l1_ratio=1.0, C=c, solver="liblinear", intercept_scaling=1e4, tol=tolerance,
                max_iter=300, random_state=0,
            ).fit(wide, y)  # fmt: skip
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


def principal_coordinates(x: States, max_components: int | None) -> States | None:
    """Standardised states in their leading principal axes, orthogonal; None if none varies."""
    plain = Basis.standardising(x)
    if plain is None:
        return None
    z = plain.transform(x)
    limit = min(*z.shape) if max_components is None else min(*z.shape, max_components)
    scores: NDArray[np.float32] = np.matmul(z, _principal_axes(z, limit), dtype=np.float32)
    return scores


def check_states(
    function: str, hidden: NDArray[np.floating], n: int, argument: str = "hidden"
) -> None:
    """Refuse states that are not (n, n_layers + 1, d_model) with a layer and a dimension."""
    if hidden.ndim != 3 or len(hidden) != n or 0 in hidden.shape[1:]:
        raise refuse(function, argument, f"({n}, n_layers + 1, d_model)", f"shape {hidden.shape}")


def rising(function: str, cs: Sequence[float]) -> tuple[float, ...]:
    """Return the inverse strengths in rising order; refuse none, and what is not positive."""
    ordered = tuple(sorted(float(c) for c in cs))
    if not ordered or ordered[0] <= 0:
        raise refuse(function, "Cs", "positive numbers", list(cs))
    return ordered


def layer_states(function: str, hidden: NDArray[np.floating], layer: int) -> States:
    """States of one layer, float32; refuse what is not finite."""
    states = np.ascontiguousarray(hidden[:, layer], dtype=np.float32)
    n_bad = int(states.size - np.isfinite(states).sum())
    if n_bad:
        got = f"{n_bad} non-finite of {states.size} at layer {layer}"
        raise refuse(function, "hidden", "finite", got)
    return states


def inner_validation(
    z: States, y: BoolArray, fold: IntArray, cs: tuple[float, ...], path: Path = logistic_path
) -> tuple[FloatArray, FloatArray]:
    """Return out-of-fold decisions (n_Cs, n) and the mean AUROC over folds of each C."""
    decisions = np.empty((len(cs), y.size))
    aurocs: list[list[float]] = []
    for train, test in training_folds(y, fold):
        held_out = z[test].astype(np.float64)
        for i, (coef, intercept) in enumerate(path(z[train], y[train], cs)):
            decisions[i, test] = held_out @ coef + intercept
        if 0 < y[test].sum() < test.size:
            aurocs.append([auroc_or_nan(y[test], row) for row in decisions[:, test]])
    if not aurocs:
        raise UndefinedMetricError("no inner fold has both classes")
    return decisions, np.nan_to_num(np.mean(aurocs, axis=0), nan=0.5)


@dataclass(frozen=True)
class FoldFit:
    """A model of one training part, at the C that inner validation chose.

    ``centre`` and ``spread`` are those of the inner out-of-fold decisions.
    """

    inner_auroc: float
    c: float
    coef: FloatArray
    intercept: float
    centre: float
    spread: float

    @classmethod
    def fit(
        cls,
        z: States,
        y: BoolArray,
        inner: IntArray,
        cs: tuple[float, ...],
        path: Path,
        rough: Path,
    ) -> FoldFit:
        """Choose C in the inner folds by ``rough``, then fit on all of the training part."""
        decisions, aurocs = inner_validation(z, y, inner, cs, rough)
        best = int(aurocs.argmax())
        ((coef, intercept),) = path(z, y, cs[best : best + 1])
        centre, spread = float(decisions[best].mean()), float(decisions[best].std())
        return cls(float(aurocs[best]), cs[best], coef, intercept, centre, spread)

    def scores(self, z: States) -> FloatArray:
        """Return decisions on other rows, comparable between folds."""
        decisions = z.astype(np.float64) @ self.coef + self.intercept
        scores: FloatArray = (decisions - self.centre) / (self.spread if self.spread > 0 else 1.0)
        return scores


def auroc_or_nan(label: BoolArray, scores: FloatArray) -> float:
    """AUROC; NaN for scores that are constant or not all there."""
    if not np.isfinite(scores).all() or scores.min() == scores.max():
        return float("nan")
    return auroc(label, scores)
