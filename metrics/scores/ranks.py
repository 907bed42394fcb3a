"""Ranks with intervals: what cannot be told apart shares its ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from metrics.comparison.differences import holm
from metrics.core.checks import (
    FloatArray,
    Labels,
    between,
    binary_labels,
    codes,
    finite_array,
    refuse,
    unit_exponent,
    unit_scaled,
)
from metrics.core.resampling import Weights, weighted_mean
from metrics.errors import UndefinedMetricError
from metrics.scores.ranking import weighted_stratified_auroc

MAX_DROPPED = 0.10
ROUNDING = 1e-12  # a spread below this share of the figures is their rounding


@dataclass(frozen=True)
class RankInterval:
    """Ranks that the data allow, 1 = highest; one number where ``low`` equals ``high``."""

    low: int
    high: int


def rank_intervals(
    values: ArrayLike, replicates: ArrayLike, *, alpha: float = 0.05
) -> tuple[RankInterval, ...]:
    r"""Interval of the rank of each figure among all, by paired differences.

    .. math:: [1 + \#\{j : v_j \gg v_i\}, \; m - \#\{j : v_j \ll v_i\}]

    where :math:`v_j \gg v_i` if the difference is positive by a normal test on the standard
    deviation of its replicates, Holm-adjusted over all :math:`m (m - 1) / 2` pairs. So with
    probability :math:`1 - \alpha` all intervals hold their true ranks at once. Ranks of replicates
    themselves do not have that property where figures are close. No direction: rank 1 is the
    highest figure. Range: 1 … m.

    Parameters
    ----------
    values : float array, shape (m,)
        One figure each.
    replicates : float array, shape (m, n_resamples)
        The same figures under joint resamples; a column with a NaN is left out.
    alpha : float in (0, 1), default 0.05
        Chance that any interval misses.

    Returns
    -------
    tuple of RankInterval
        In the order given.

    Raises
    ------
    UndefinedMetricError
        If more than 10 % of the resamples lack a figure.
    ValueError
        If shapes differ.

    References
    ----------
    Mogstad, Romano, Shaikh and Wilhelm (2024), Review of Economic Studies 91 (ranks from pairwise
    tests, Holm); here with the cluster bootstrap.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 500))
    >>> found = rank_intervals([9.0, 0.1, 0.0], noise)
    >>> [(rank.low, rank.high) for rank in found]
    [(1, 1), (2, 3), (2, 3)]
    """
    v = finite_array("rank_intervals", "values", values)
    drawn = np.asarray(replicates, np.float64)
    between("rank_intervals", "alpha", alpha, 0, 1 - 1e-12)
    if drawn.ndim != 2 or len(drawn) != v.size:
        raise refuse("rank_intervals", "replicates", f"({v.size}, n)", f"shape {drawn.shape}")
    if v.size < 2:
        return tuple(RankInterval(1, 1) for _ in v)
    kept = drawn[:, np.isfinite(drawn).all(axis=0)]
    n_lost = drawn.shape[1] - kept.shape[1]
    if kept.shape[1] < 2 or n_lost > MAX_DROPPED * drawn.shape[1]:
        raise UndefinedMetricError(f"{n_lost} of {drawn.shape[1]} resamples lack a class")
    first, second = np.triu_indices(v.size, 1)
    exponent = max(unit_exponent(v), unit_exponent(kept))
    v, kept = np.ldexp(v, -exponent), np.ldexp(kept, -exponent)
    difference = v[first] - v[second]
    spread = (kept[first] - kept[second]).std(axis=1, ddof=1)
    # without spread, or with that of rounding only, there is no test, so no order either
    largest = np.abs(kept).max(axis=1)
    told_apart = spread > ROUNDING * np.maximum(largest[first], largest[second])
    z = np.divide(abs(difference), spread, out=np.zeros_like(spread), where=told_apart)
    told = holm(2 * norm.sf(z)) <= alpha
    is_above = np.zeros((v.size, v.size), bool)
    is_above[first, second] = told & (difference > 0)
    is_above[second, first] = told & (difference < 0)
    low, high = 1 + is_above.sum(axis=0), v.size - is_above.sum(axis=1)
    return tuple(RankInterval(int(a), int(b)) for a, b in zip(low, high, strict=True))


def auroc_replicates(
    y_true: ArrayLike, y_score: ArrayLike, *, weights: Weights, kinds: Labels | None = None
) -> FloatArray:
    r"""AUROC of each resample, to rank figures that share their resamples.

    .. math:: A^*_b = A(w_b)

    or within kinds. Higher means better separation. Range: :math:`[0, 1]`, NaN where a resample
    lacks a class.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    kinds : sequence, length n_samples, optional
        If given, only pairs within a kind count.

    Returns
    -------
    float array, shape (n_resamples,)
        One AUROC each.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7.

    Examples
    --------
    >>> from metrics.scores.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(4), n_resamples=3, rng=np.random.default_rng(0))
    >>> auroc_replicates([1, 1, 0, 0], [4, 3, 2, 1], weights=weights).shape
    (3,)
    """
    function = "auroc_replicates"
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    if not correct.shape == score.shape == weights.shape[1:]:
        got = f"shapes {correct.shape}, {score.shape} and {weights.shape}"
        raise refuse(function, "y_true, y_score, weights", "of one length", got)
    strata = codes(function, "kinds", kinds or [""] * score.size, score.size)
    return weighted_stratified_auroc(correct, score, strata, weights.T)


def mean_replicates(values: ArrayLike, *, weights: Weights) -> FloatArray:
    r"""Mean of each resample, to rank figures that share their resamples.

    .. math:: \bar v^*_b = \sum_i w_{bi} v_i / \sum_i w_{bi}

    No direction. Range: that of the values.

    Parameters
    ----------
    values : float array, shape (n_samples,)
        One value per sample.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.

    Returns
    -------
    float array, shape (n_resamples,)
        One mean each.

    Raises
    ------
    ValueError
        If a value is not finite, or the weights are of other samples.

    References
    ----------
    Method §7.

    Examples
    --------
    >>> from metrics.scores.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(4), n_resamples=3, rng=np.random.default_rng(0))
    >>> mean_replicates([1, 1, 1, 1], weights=weights).tolist()
    [1.0, 1.0, 1.0]
    """
    v = finite_array("mean_replicates", "values", values)
    if weights.ndim != 2 or weights.shape[1] != v.size:
        raise refuse(
            "mean_replicates", "weights", f"(n_resamples, {v.size})", f"shape {weights.shape}"
        )  # fmt: skip
    replicates: FloatArray = np.ldexp(weighted_mean(unit_scaled(v), weights.T), unit_exponent(v))
    return replicates
