"""A paired difference with its interval and test, from the influence of each sample."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.comparison.differences import Difference, smallest_detectable_difference
from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    between,
    binary_labels,
    codes,
    finite_array,
    refuse,
    same_length,
    unit_scaled,
)
from metrics.core.clustered import clustered_stderr, t_interval, t_p_value
from metrics.core.estimate import Estimate

Pair = tuple[ArrayLike, ArrayLike]  # labels and scores

NO_SPREAD = "no image differs from another in it: no interval, no test"
ROUNDING = 1e-12  # a spread below this share of the difference is its rounding


def difference_of_influences(
    value: float,
    influence: FloatArray,
    group: IntArray,
    *,
    level: float,
    fit_variance: float = 0.0,
) -> Difference:
    """Return the difference with a t interval and test over images.

    ``fit_variance`` is what refitting adds to the squared standard error. Without any spread there
    is no test, whatever the value.
    """
    between("paired difference", "level", level, 0, 1 - 1e-12)
    if not (math.isfinite(fit_variance) and fit_variance >= 0):
        raise refuse("paired difference", "fit_variance", ">= 0", fit_variance)
    degrees = float(np.unique(group).size - 1)  # as a stored result gives it back
    if degrees < 1:
        return Difference(Estimate.undefined("one group only: no interval"), None, None)
    stderr = math.hypot(clustered_stderr(influence, group), math.sqrt(fit_variance))
    if stderr <= ROUNDING * abs(value):
        nothing = Estimate(value, value, value, 0.0, None, note=NO_SPREAD)
        return Difference(nothing, None, None, degrees)
    low, high = t_interval(value, stderr, degrees, level=level)
    return Difference(
        Estimate(value, low, high, stderr, None),
        t_p_value(value, stderr, degrees),
        smallest_detectable_difference(stderr, alpha=1 - level, degrees=degrees),
        degrees,
        _support(influence, group),
    )


def _support(influence: FloatArray, group: IntArray) -> float | None:
    sums = np.bincount(np.unique(group, return_inverse=True)[1], weights=influence)
    # squares of huge sums have no float
    squares = unit_scaled(sums.astype(np.float64, copy=False)) ** 2
    return float(squares.sum() ** 2 / (squares**2).sum()) if squares.any() else None


def checked_pairs(
    function: str, first: Pair, second: Pair, groups: Labels
) -> tuple[list[tuple[BoolArray, FloatArray]], IntArray]:
    """Return labels and scores of both sides, and each sample's image as a code."""
    sides: list[tuple[BoolArray, FloatArray]] = []
    for name, (y_true, y_score) in (("first", first), ("second", second)):
        correct = binary_labels(function, "y_true", y_true)
        score = finite_array(function, "y_score", y_score)
        same_length(function, "y_score", score, correct.size)
        if sides:
            same_length(function, name, correct, sides[0][0].size)
        sides.append((correct, score))
    return sides, codes(function, "groups", groups, sides[0][0].size)


def strata_of(function: str, kinds: Labels | None, n: int) -> IntArray:
    """Return each sample's kind as a code, one kind for all without kinds."""
    return np.zeros(n, np.int64) if kinds is None else codes(function, "kinds", kinds, n)


def augrc_influence(correct: BoolArray, area: float, of_area: FloatArray) -> FloatArray:
    """Return the influence of each sample on AUGRC from that on AUROC, by the delta method."""
    accuracy = correct.mean()
    per_accuracy = (1 - area) * (1 - 2 * accuracy) - (1 - accuracy)
    found: FloatArray = (
        -accuracy * (1 - accuracy) * of_area + per_accuracy * (correct - accuracy) / correct.size
    )
    return found
