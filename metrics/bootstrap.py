"""Intervals by resampling whole groups (images): questions about one image are not independent.

One set of weights serves all statistics of a run, so that they can be compared pairwise. An
estimate is either complete (value, interval, standard error) or undefined with its reason.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import (
    Labels,
    at_least,
    codes,
    finite_array,
    refuse,
)
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._ranking import ranking_replicates, weighted_stratified_auroc
from metrics._resampling import Weights, weighted_mean
from metrics._separation import with_separation_bound
from metrics.discrimination import auroc, error_average_precision, within_kind_auroc
from metrics.errors import UndefinedMetricError

__all__ = [
    "Estimate",
    "auroc_estimate",
    "cluster_weights",
    "error_average_precision_estimate",
    "mean_estimate",
]


def cluster_weights(groups: Labels, *, n_resamples: int, rng: np.random.Generator) -> Weights:
    r"""Draw how often each sample is in each resample, when whole groups are drawn.

    .. math:: (c_1, \dots, c_G) \sim \mathrm{Multinomial}(G, 1/G), \qquad w_i = c_{g(i)}

    with :math:`g(i)` the group of sample :math:`i`. No direction. Range: integers >= 0.

    Parameters
    ----------
    groups : sequence, length n_samples
        Group (image) of each sample.
    n_resamples : int
        At least 1; 2,000 for a 95 % interval.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    uint16 array, shape (n_resamples, n_samples)
        Weights; a view whose transpose is contiguous. 2,000 × 10,000 take 40 MB.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If ``n_resamples`` < 1.

    References
    ----------
    Field and Welsh (2007), JRSS B 69, the cluster bootstrap.

    Examples
    --------
    >>> weights = cluster_weights(
    ...     ["a", "a", "b"], n_resamples=4, rng=np.random.default_rng(0)
    ... )
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((4, 3), True)
    """
    at_least("cluster_weights", "n_resamples", n_resamples, 1)
    group = codes("cluster_weights", "groups", groups, len(groups))
    if not group.size:
        raise UndefinedMetricError("no samples")
    n_groups = int(group.max()) + 1
    counts = np.empty((n_groups, n_resamples), np.uint16)
    for b in range(n_resamples):
        drawn = rng.integers(0, n_groups, n_groups)
        counts[:, b] = np.bincount(drawn, minlength=n_groups)
    return counts[group].T


def auroc_estimate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    weights: Weights,
    kinds: Labels | None = None,
    level: float = 0.95,
) -> Estimate:
    r"""AUROC, or within-kind AUROC, with a percentile interval over resampled groups.

    .. math:: [q_{\alpha/2}, q_{1-\alpha/2}] \text{ of } A^{*}_1, \dots, A^{*}_B

    with :math:`A^*_b` the statistic of resample :math:`b`. Resamples in which a class is absent are
    dropped and counted. Where the value is 1 (or 0) in every resample, the resamples have no width;
    the interval is then :math:`[0.05^{1/m}, 1]`, about :math:`[1 - 3/m, 1]`, with :math:`m` pairs
    of a right and a wrong answer that share no image, and the estimate's note says so. Higher means
    better separation. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`, columns of these samples.
    kinds : sequence, length n_samples, optional
        If given, only pairs within a kind count (`within_kind_auroc`).
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined with a reason if AUROC is, if the weights hold one group only, or if more than
        10 % of the resamples were dropped.

    Raises
    ------
    ValueError
        If an argument is malformed; never for an undefined figure.

    References
    ----------
    Method §7; Efron and Tibshirani (1993), percentile interval.

    Examples
    --------
    >>> weights = cluster_weights(range(8), n_resamples=500, rng=np.random.default_rng(0))
    >>> found = auroc_estimate([1, 1, 1, 1, 0, 0, 0, 0], [9, 7, 6, 2, 8, 3, 1, 0], weights=weights)
    >>> found.value, found.low < found.value < found.high
    (0.75, True)
    """
    columns = _columns("auroc_estimate", weights, y_true)
    try:
        value = (
            auroc(y_true, y_score) if kinds is None else within_kind_auroc(y_true, y_score, kinds)
        )
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    correct = np.asarray(y_true) == 1
    score = np.asarray(y_score, np.float64)
    strata = np.zeros(score.size, np.int64)
    if kinds is not None:
        strata = codes("auroc_estimate", "kinds", kinds, score.size)
    replicates = weighted_stratified_auroc(correct, score, strata, columns)
    found = estimate_from_replicates(value, replicates, weights=weights, level=level)
    return with_separation_bound(found, correct, strata, weights, level)


def error_average_precision_estimate(
    y_true: ArrayLike, y_score: ArrayLike, *, weights: Weights, level: float = 0.95
) -> Estimate:
    r"""Average precision of errors with a percentile interval over resampled groups.

    .. math:: [q_{\alpha/2}, q_{1-\alpha/2}] \text{ of } AP^{*}_1, \dots, AP^{*}_B

    with :math:`AP^*_b` the statistic of resample :math:`b`. Higher means errors are found earlier;
    the baseline is the error rate. Range: :math:`(0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined under the same conditions as `auroc_estimate`.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7.

    Examples
    --------
    >>> weights = cluster_weights(range(6), n_resamples=500, rng=np.random.default_rng(0))
    >>> found = error_average_precision_estimate([0, 1, 0, 1, 1, 1], range(6), weights=weights)
    >>> round(found.value, 4), found.low < found.value <= found.high
    (0.8333, True)
    """
    columns = _columns("error_average_precision_estimate", weights, y_true)
    try:
        value = error_average_precision(y_true, y_score)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    score = np.asarray(y_score, np.float64)
    replicates = ranking_replicates(np.asarray(y_true) == 1, score, columns).error_precision
    return estimate_from_replicates(value, replicates, weights=weights, level=level)


def mean_estimate(values: ArrayLike, *, weights: Weights, level: float = 0.95) -> Estimate:
    r"""Mean with a percentile interval over resampled groups.

    .. math:: \bar v^{*}_b = \sum_i w_{bi} v_i / \sum_i w_{bi}

    No direction. Range: that of the values. A constant has a zero-width interval here: for the
    accuracy of a model without errors use `proportions.wilson_interval`.

    Parameters
    ----------
    values : float array, shape (n_samples,)
        One value per sample.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined for no samples or one group only.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7.

    Examples
    --------
    >>> weights = cluster_weights(range(4), n_resamples=500, rng=np.random.default_rng(0))
    >>> found = mean_estimate([1.0, 2.0, 3.0, 6.0], weights=weights)
    >>> found.value, found.low < 3 < found.high
    (3.0, True)
    """
    columns = _columns("mean_estimate", weights, values)
    v = finite_array("mean_estimate", "values", values)
    if not v.size:
        return Estimate.undefined("no samples")
    return estimate_from_replicates(
        float(v.mean()), weighted_mean(v, columns), weights=weights, level=level
    )


def _columns(function: str, weights: Weights, values: ArrayLike) -> Weights:
    n = len(np.asarray(values))
    if weights.ndim != 2 or weights.shape[1] != n:
        raise refuse(function, "weights", f"(n_resamples, {n})", f"shape {weights.shape}")
    return weights.T
