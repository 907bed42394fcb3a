"""Where a curve of accuracy over dose, and the limits of its fall, reach a drop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.stats import t as student

from metrics.core.checks import FloatArray, IntArray
from metrics.robustness.dose_response import DoseResponse

STEPS = 64  # between two doses, where the limits of the fall are not straight


def reached_within(
    response: DoseResponse, group: IntArray, drop: float, level: float
) -> FloatArray:
    """Return the first dose at which the lower, and the upper, limit of the fall is ``drop``."""
    x = np.append(0.0, response.doses)
    fine = np.unique(np.concatenate([np.linspace(a, b, STEPS + 1) for a, b in pairwise(x)]))
    fall = response.columns() - response.clean[:, None]
    sums = np.zeros((group.max() + 1, x.size))
    np.add.at(sums, group, fall - fall.mean(axis=0))
    n_groups = len(sums)
    left = np.clip(np.searchsorted(x, fine, side="right") - 1, 0, x.size - 2)
    share = (fine - x[left]) / (x[left + 1] - x[left])
    own = sums[:, left] * (1 - share) + sums[:, left + 1] * share
    stderr = np.sqrt(n_groups / (n_groups - 1) * (own**2).sum(axis=0)) / group.size
    half = float(student.ppf((1 + level) / 2, n_groups - 1)) * stderr
    mean = np.interp(fine, x, fall.mean(axis=0))
    return crossing(fine[1:], np.column_stack([mean - half, mean + half]), drop)


def crossing(doses: FloatArray, accuracy: FloatArray, drop: float) -> FloatArray:
    """First dose at which each column has fallen by ``drop``; infinity where none has."""
    x = np.append(0.0, doses)
    target = accuracy[0] - drop
    below = accuracy <= target + 1e-9  # a fall of exactly `drop` counts, whatever the rounding
    first = below.argmax(axis=0)
    columns = np.arange(accuracy.shape[1])
    before, after = accuracy[first - 1, columns], accuracy[first, columns]
    share = np.clip((before - target) / np.where(before > after, before - after, 1.0), 0.0, 1.0)
    found = x[first - 1] + share * (x[first] - x[first - 1])
    crossing: FloatArray = np.where(below.any(axis=0), found, np.inf)
    return crossing
