"""Interval and test of an AUROC from the influence of each sample on it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.clustered import (
    auroc_influence,
    clustered_degrees,
    clustered_stderr,
    in_mixed_stratum,
    t_p_value,
)
from metrics.core.estimate import (
    Estimate,
    estimate_from_influence,
    joined,
    lone_class,
    near_perfect,
)
from metrics.core.limits import LEAST_GROUPS
from metrics.scores.separation import n_disjoint, separation_bound


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


def chance_p_value(
    correct: BoolArray,
    score: FloatArray,
    strata: IntArray,
    group: IntArray,
    *,
    fit_variance: float = 0.0,
) -> float | None:
    r"""Return the two-sided p-value of AUROC = 1/2, within strata.

    The t test that goes with the interval: :math:`\operatorname{logit} A` over its standard error.
    A perfect separation has none; it is then the sign test over pairs of a right and a wrong answer
    that share no image. None with fewer than 20 images, and where nothing varies. ``fit_variance``
    is what fitting the score adds to the squared standard error.
    """
    rows = in_mixed_stratum(correct, strata)
    correct, score, strata, group = correct[rows], score[rows], strata[rows], group[rows]
    reason, images = lone_class(correct, group)
    if np.unique(group).size < LEAST_GROUPS or reason is not None:
        return None
    value, influence = auroc_influence(correct, score, strata)
    if value in (0.0, 1.0):
        return float(2.0 ** (1 - max(1, n_disjoint(group[correct], group[~correct]))))
    spread = math.hypot(clustered_stderr(influence, group), math.sqrt(fit_variance))
    stderr = spread / (value * (1 - value))
    degrees = clustered_degrees(influence, group, least_images=images)
    return t_p_value(math.log(value / (1 - value)), stderr, degrees) if stderr > 0 else None
