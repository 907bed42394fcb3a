"""A figure with its interval, made from the influence of each sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.clustered import Scale, clustered_degrees, clustered_stderr, t_interval
from metrics.core.limits import LEAST_GROUPS

ROUNDING = 1e-14  # a standard error below this share of the figure is its rounding
NEARLY, RARER = 0.98, 0.1
RARE = "few errors and an AUROC near 1: covers about 0.91 instead of 0.95 in simulations"
CONSTANT = "the same in every image: no width is no sign of certainty"


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, or why there is none.

    ``value``, ``low``, ``high`` and ``stderr`` are all numbers or all None; ``reason`` is None
    exactly when they are numbers. ``note`` says where the interval is not the usual one,
    or must not be taken at its width.
    """

    value: float | None
    low: float | None
    high: float | None
    stderr: float | None
    reason: str | None
    note: str | None = None

    @classmethod
    def undefined(cls, reason: str) -> Estimate:
        """Return an estimate that does not exist, and why."""
        return cls(None, None, None, None, reason)


def few_images(n_groups: int) -> str | None:
    """Return what to say of an interval from so few images, None where there are enough."""
    if n_groups >= LEAST_GROUPS:
        return None
    return f"{n_groups} images only: below {LEAST_GROUPS} an interval may be too short"


def lone_class(correct: BoolArray, group: IntArray) -> tuple[str | None, int]:
    """Return why these classes carry no interval, if so, and the images of the rarer one."""
    if np.unique(group).size < 2:
        return "one group only: no interval", 1
    images = {"right": np.unique(group[correct]).size, "wrong": np.unique(group[~correct]).size}
    name = min(images, key=lambda side: images[side])
    lone = f"all {name} answers are of one image: no interval" if images[name] < 2 else None
    return lone, images[name]


def near_perfect(auroc: float, correct: BoolArray) -> str | None:
    """Return what to say of a ranking whose next error may be unlike all others seen."""
    rarer = min(float(correct.mean()), 1 - float(correct.mean()))
    return RARE if max(auroc, 1 - auroc) > NEARLY and rarer < RARER else None


def joined(*notes: str | None) -> str | None:
    """Return several notes as one."""
    return "; ".join(note for note in notes if note is not None) or None


def estimate_from_influence(
    value: float,
    influence: FloatArray,
    group: IntArray,
    *,
    level: float,
    scale: Scale = "identity",
    degrees: float | None = None,
) -> Estimate:
    """Return the t interval over images; degrees are those of `clustered_degrees` unless given."""
    n_groups = int(np.unique(group).size)
    if n_groups < 2:
        return Estimate.undefined("one group only: no interval")
    few, stderr = few_images(n_groups), clustered_stderr(influence, group)
    if stderr <= ROUNDING * (abs(value) + float(np.abs(influence).sum())):
        return Estimate(value, value, value, 0.0, None, note=joined(few, CONSTANT))
    if degrees is None:
        degrees = clustered_degrees(influence, group, least_images=n_groups)
    low, high = t_interval(value, stderr, degrees, level=level, scale=scale)
    return Estimate(value, low, high, stderr, None, note=few)


def times_power_of_two(found: Estimate, exponent: int) -> Estimate:
    """Return an estimate in a unit that is a power of two smaller."""
    if found.value is None:
        return found
    numbers = np.array([found.value, found.low, found.high, found.stderr], np.float64)
    value, low, high, stderr = np.ldexp(numbers, exponent).tolist()
    if not (math.isfinite(low) and math.isfinite(high)):
        return Estimate.undefined("the interval is beyond the largest number")
    return Estimate(value, low, high, stderr, None, note=found.note)
