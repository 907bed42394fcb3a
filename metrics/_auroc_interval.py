"""Interval of an AUROC from the influence of each sample on it."""

from __future__ import annotations

from dataclasses import replace

from metrics._checks import BoolArray, FloatArray, IntArray
from metrics._clustered import clustered_degrees
from metrics._estimate import (
    Estimate,
    estimate_from_influence,
    joined,
    lone_class,
    near_perfect,
)
from metrics._separation import separation_bound


def auroc_interval(
    value: float,
    influence: FloatArray,
    correct: BoolArray,
    strata: IntArray,
    group: IntArray,
    level: float,
) -> Estimate:
    """Return the t interval on the logit scale; every sample is in a pair of the two classes."""
    reason, images = lone_class(correct, group)
    if reason is not None:
        return Estimate.undefined(reason)
    if value in (0.0, 1.0):
        return separation_bound(value, correct, strata, group, level)
    degrees = clustered_degrees(influence, group, least_images=images)
    found = estimate_from_influence(
        value, influence, group, level=level, scale="logit", degrees=degrees
    )
    return replace(found, note=joined(found.note, near_perfect(value, correct)))
