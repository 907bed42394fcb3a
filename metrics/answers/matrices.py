"""Matrices that compare answers with each other, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import FloatArray, refuse
from metrics.errors import UndefinedMetricError

SYMMETRIC = 1e-4  # what single precision may add to a difference


def square(function: str, values: ArrayLike) -> FloatArray:
    """Return a matrix (n, n) of values in [0, 1]."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise refuse(function, "a matrix", "(n, n)", f"shape {found.shape}")
    if not found.size:
        raise UndefinedMetricError("there are no answers to compare")
    if not ((found >= 0) & (found <= 1 + SYMMETRIC)).all():  # not NaN either
        raise refuse(function, "a matrix", "in [0, 1]", f"{found.min():g} … {found.max():g}")
    return np.minimum(found, 1.0)


def within_one(function: str, e: ArrayLike, c: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two arrays of one shape whose values are in [0, 1], as are their sums."""
    one, other = np.asarray(e, dtype=np.float64), np.asarray(c, dtype=np.float64)
    if one.shape != other.shape:
        raise refuse(function, "contradicts", f"shape {one.shape}", f"shape {other.shape}")
    total = one + other
    if one.size and not ((one >= 0) & (other >= 0) & (total <= 1 + SYMMETRIC)).all():
        legal = "probabilities, with the other at most 1"
        raise refuse(function, "entails", legal, f"{total.min():g} … {total.max():g}")
    return np.minimum(one, 1.0), np.minimum(other, 1.0)


def probabilities(function: str, e: ArrayLike, c: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return probabilities of entailment and of contradiction."""
    entails, contradicts = square(function, e), square(function, c)
    if entails.shape != contradicts.shape or (entails + contradicts).max() > 1 + SYMMETRIC:
        raise refuse(function, "contradicts", "with entails at most 1", "more")
    return entails, contradicts


def symmetric(function: str, values: ArrayLike) -> FloatArray:
    """Return one whose values are the same both ways."""
    found = square(function, values)
    apart = float(np.abs(found - found.T).max())
    if apart > SYMMETRIC:
        raise refuse(function, "a similarity", "the same both ways", f"a difference of {apart:g}")
    both: FloatArray = (found + found.T) / 2
    return both


def enough(n: int) -> None:
    """Raise UndefinedMetricError for fewer than two answers."""
    if n < 2:
        raise UndefinedMetricError(f"agreement needs two answers at least, got {n}")
