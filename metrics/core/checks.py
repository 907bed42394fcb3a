"""Argument checks shared by the metrics, so that every refusal has one wording.

The form is: function: `argument` must be <legal>, got <value>. <What to do.>
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import UndefinedMetricError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Labels = Sequence[Hashable] | NDArray[np.generic]


def refuse(function: str, argument: str, legal: str, got: object, advice: str = "") -> ValueError:
    """Build the error; the caller raises it, so that the traceback ends in the metric."""
    tail = f" {advice}" if advice else ""
    return ValueError(f"{function}: `{argument}` must be {legal}, got {got}.{tail}")


def finite_array(
    function: str, argument: str, values: ArrayLike, *, ndim: int | tuple[int, ...] = 1
) -> FloatArray:
    """Return float64 of the given rank; refuse NaN, infinity and a wrong rank."""
    array = np.asarray(values, dtype=np.float64)
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in ranks:
        legal = " or ".join(f"{rank}-dimensional" for rank in ranks)
        raise refuse(function, argument, legal, f"shape {array.shape}")
    bad = int(array.size - np.isfinite(array).sum())
    if bad:
        raise refuse(
            function, argument, "finite", f"{bad} non-finite of {array.size}",
            "Leave missing values out first.",
        )  # fmt: skip
    return array


def unit_scaled(values: FloatArray) -> FloatArray:
    """Return the values times a power of two, the largest about 1: exact, and safe to square."""
    scaled: FloatArray = np.ldexp(values, -unit_exponent(values))
    return scaled


def unit_exponent(values: FloatArray) -> int:
    """Return the power of two that `unit_scaled` takes out."""
    return int(np.frexp(np.abs(values).max(initial=0.0))[1])


def finite_differences(
    function: str, argument: str, first: FloatArray, second: FloatArray
) -> FloatArray:
    """Return first − second; refuse values so far apart that this has no float."""
    with np.errstate(over="ignore"):
        found: FloatArray = first - second
    if not np.isfinite(found).all():
        far = f"{max(first.max(), second.max()):g} beside {min(first.min(), second.min()):g}"
        raise refuse(function, argument, "near enough to subtract", far)
    return found


def safe_mean(values: FloatArray) -> float:
    """Return the mean, also of values whose sum has no float."""
    return float(np.ldexp(unit_scaled(values).mean(), unit_exponent(values)))


def share_of_one(function: str, argument: str, value: float, *, slack: float = 0.0) -> None:
    """Refuse a number outside [0, 1 + slack], and NaN."""
    if not 0 <= value <= 1 + slack:
        raise refuse(function, argument, "in [0, 1]", f"{value:g}")


def binary_labels(function: str, argument: str, values: ArrayLike) -> BoolArray:
    """Return 0/1 labels as booleans."""
    array = finite_array(function, argument, values)
    odd = array[(array != 0) & (array != 1)]
    if odd.size:
        raise refuse(
            function, argument, "0 or 1 everywhere", f"{odd[0]:g}",
            "Binarise soft scores at the run's threshold first.",
        )  # fmt: skip
    labels: BoolArray = array == 1
    return labels


def probabilities(
    function: str, y_true: ArrayLike, y_prob: ArrayLike
) -> tuple[BoolArray, FloatArray]:
    """Return labels and probabilities, or refuse them."""
    correct = binary_labels(function, "y_true", y_true)
    prob = finite_array(function, "y_prob", y_prob)
    same_length(function, "y_prob", prob, correct.size)
    if not prob.size:
        raise UndefinedMetricError("no samples")
    if prob.min() < 0 or prob.max() > 1:
        got = f"{prob.min():g} … {prob.max():g}"
        raise refuse(function, "y_prob", "in [0, 1]", got, "Calibrate other scores first.")
    return correct, prob


def same_length(function: str, argument: str, values: ArrayLike | Labels, n: int) -> None:
    """Refuse a sequence that does not have one entry per sample."""
    if len(values) != n:  # type: ignore[arg-type]
        raise refuse(function, argument, f"of length {n}, one per sample", f"length {len(values)}")  # type: ignore[arg-type]


def codes(function: str, argument: str, labels: Labels, n: int) -> IntArray:
    """Return each sample's group as an integer 0 … G − 1, in the order of first appearance."""
    same_length(function, argument, labels, n)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        _, first, sorted_code = np.unique(labels, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[sorted_code]
    seen: dict[Hashable, int] = {}
    return np.fromiter((seen.setdefault(label, len(seen)) for label in labels), np.int64, count=n)


def between(function: str, argument: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside (low, high]."""
    if not low < value <= high:
        raise refuse(function, argument, f"in ({low:g}, {high:g}]", f"{value:g}")


def level_inside(function: str, level: float) -> None:
    """Refuse a coverage that no interval can have: 0 and below, 1 and above, NaN.

    The quantile is taken at (1 + level) / 2, which has to be below 1 in floating point too.
    """
    if not (level > 0 and (1 + level) / 2 < 1):
        raise refuse(function, "level", "in (0, 1)", f"{level:g}")


def at_least(function: str, argument: str, value: int, low: int) -> None:
    """Refuse a count below its least legal value."""
    if value < low:
        raise refuse(function, argument, f">= {low}", str(value))


def two_classes(y_true: BoolArray) -> tuple[int, int]:
    """Return (n_correct, n_errors); undefined when either is zero."""
    n_correct = int(y_true.sum())
    n_errors = int(y_true.size - n_correct)
    if y_true.size == 0:
        raise UndefinedMetricError("no samples")
    if n_correct == 0 or n_errors == 0:
        which = "correct" if n_errors == 0 else "wrong"
        raise UndefinedMetricError(f"one class only: all {y_true.size} answers are {which}")
    return n_correct, n_errors
