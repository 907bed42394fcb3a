"""Attention maps as arrays: the checks, entropies and top cells that the metrics share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import BoolArray, FloatArray, between, finite_array, refuse
from metrics.errors import UndefinedMetricError


def weights_of(
    function: str, argument: str, values: ArrayLike, ndim: tuple[int, ...]
) -> FloatArray:
    """Return the map as float64; refuse negative and non-finite weights."""
    a = finite_array(function, argument, values, ndim=ndim)
    if a.size and a.min() < 0:
        raise refuse(
            function, argument, "non-negative", f"min {a.min():g}",
            "Pass post-softmax weights, not logits.",
        )  # fmt: skip
    return a


def entropies_of(maps: FloatArray, *, normalize: bool, delta: float) -> FloatArray:
    """Return each row's entropy in nats; rows need not sum to 1."""
    peaks = maps.max(axis=1, keepdims=True, initial=0.0)
    if maps.size == 0 or (peaks <= 0).any():
        raise UndefinedMetricError("the attention map sums to zero")
    p = np.ldexp(maps, -np.frexp(peaks)[1])  # sums of huge weights have no float
    p /= p.sum(axis=1, keepdims=True)
    h: FloatArray = -(p * np.log(np.where(p + delta > 0, p + delta, 1.0))).sum(axis=1)
    if not normalize:
        return h
    if maps.shape[1] == 1:
        raise UndefinedMetricError("normalised entropy of a single cell: ln 1 = 0")
    return h / math.log(maps.shape[1])


def top_cells(function: str, attention: ArrayLike, share: float) -> BoolArray:
    """Return the mask of the most attended cells; ties as described in `cluster_count`."""
    between(function, "share", share, 0, 1)
    a = weights_of(function, "attention", attention, (2,))
    if a.size == 0 or a.min() == a.max():
        raise UndefinedMetricError("the attention map is constant: it has no most attended cells")
    k = max(1, math.ceil(share * a.size - 1e-9))
    boundary = np.partition(a, a.size - k, axis=None)[a.size - k]
    cells: BoolArray = a > boundary if boundary == a.min() else a >= boundary
    return cells
