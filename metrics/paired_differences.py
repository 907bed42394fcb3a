"""One model less another on the same samples, both resampled together by image.

DeLong's test does not apply: two models bring their own labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import BoolArray, FloatArray, Labels, binary_labels, codes, refuse
from metrics._estimate import Estimate
from metrics._paired import difference_of_replicates
from metrics._ranking import ranking_replicates, weighted_auroc, weighted_stratified_auroc
from metrics._resampling import Weights, weighted_mean
from metrics.comparison import Difference
from metrics.discrimination import auroc, within_kind_auroc
from metrics.errors import UndefinedMetricError
from metrics.selective import augrc

Pair = tuple[ArrayLike, ArrayLike]
Replicates = Callable[[BoolArray, FloatArray], FloatArray]


def paired_mean_difference(
    first: ArrayLike, second: ArrayLike, *, weights: Weights, level: float = 0.95
) -> Difference:
    r"""Mean of one minus mean of the other, on the same samples and the same resamples.

    .. math:: D^*_b = \sum_i w_{bi} (u_i - v_i) / \sum_i w_{bi}

    Of 0/1 correctness it is the difference of accuracies. No direction: positive favours the first.
    Range: that of a difference of the values.

    Parameters
    ----------
    first, second : float array, shape (n_samples,)
        Rows of both belong to the same samples.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined with a reason if the weights hold one group only.

    Raises
    ------
    ValueError
        If lengths differ.

    References
    ----------
    Method §7 (ours).

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(40), n_resamples=200, rng=np.random.default_rng(0))
    >>> right = np.arange(40) % 4 > 0
    >>> found = paired_mean_difference(right, np.arange(40) % 2, weights=weights)
    >>> found.estimate.value, found.estimate.low > 0
    (0.25, True)
    """
    u, v = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if not u.shape == v.shape == weights.shape[1:]:
        got = f"shapes {u.shape}, {v.shape} and {weights.shape}"
        raise refuse("paired_mean_difference", "first, second, weights", "of one length", got)
    replicates = weighted_mean(u - v, weights.T)
    value = float(u.mean() - v.mean())
    return difference_of_replicates(value, replicates, weights=weights, level=level)


def paired_auroc_difference(
    first: Pair,
    second: Pair,
    *,
    weights: Weights,
    kinds: Labels | None = None,
    level: float = 0.95,
) -> Difference:
    r"""AUROC of one minus AUROC of the other, on the same samples and the same resamples.

    .. math:: D^*_b = A_1(w_b) - A_2(w_b), \qquad p = 2 \Phi(-|D| / \mathrm{sd}(D^*))

    Two signals of one model share their labels; two models bring their own. No direction: positive
    favours the first. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_score), each shape (n_samples,)
        Rows of both belong to the same samples.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    kinds : sequence, length n_samples, optional
        If given, only pairs within a kind count (`within_kind_auroc`).
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined with a reason if either AUROC is.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7 (ours).

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> weights = cluster_weights(range(200), n_resamples=200, rng=rng)
    >>> good, bad = y + rng.normal(size=200), rng.normal(size=200)
    >>> found = paired_auroc_difference((y, good), (y, bad), weights=weights)
    >>> found.estimate.low > 0, found.p_value < 0.05
    (True, True)
    """
    if kinds is None:
        return _difference(
            "paired_auroc_difference", (first, second), auroc,
            lambda y, s: weighted_auroc(y, s, weights.T), weights, level,
        )  # fmt: skip
    strata = codes("paired_auroc_difference", "kinds", kinds, weights.shape[1])
    return _difference(
        "paired_auroc_difference",
        (first, second),
        lambda y, s: within_kind_auroc(y, s, kinds),
        lambda y, s: weighted_stratified_auroc(y, s, strata, weights.T),
        weights,
        level,
    )


def paired_augrc_difference(
    first: Pair, second: Pair, *, weights: Weights, level: float = 0.95
) -> Difference:
    r"""AUGRC of one minus AUGRC of the other, on the same samples and the same resamples.

    .. math:: D^*_b = G_1(w_b) - G_2(w_b), \qquad G = (1 - A) \, a (1 - a) + \tfrac12 (1 - a)^2

    with :math:`A` the AUROC and :math:`a` the accuracy of each resample. No direction: *negative*
    favours the first, since AUGRC is a risk. Range: :math:`(-1/2, 1/2)`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_score), each shape (n_samples,)
        Rows of both belong to the same samples.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined with a reason if either AUROC is.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Traub et al. (2024), arXiv 2407.01032 (AUGRC); the pairing is ours.

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> weights = cluster_weights(range(200), n_resamples=200, rng=rng)
    >>> good, bad = y + rng.normal(size=200), rng.normal(size=200)
    >>> paired_augrc_difference((y, good), (y, bad), weights=weights).estimate.high < 0
    True
    """

    def replicates(y: BoolArray, s: FloatArray) -> FloatArray:
        found = ranking_replicates(y, s, weights.T)
        wrong = 1 - found.accuracy
        area: FloatArray = (1 - found.auroc) * found.accuracy * wrong + wrong**2 / 2
        return area

    return _difference(
        "paired_augrc_difference", (first, second), augrc, replicates, weights, level
    )


def _difference(
    function: str,
    pairs: tuple[Pair, Pair],
    statistic: Callable[[BoolArray, FloatArray], float],
    replicates: Replicates,
    weights: Weights,
    level: float,
) -> Difference:
    found, values = [], []
    for y_true, y_score in pairs:
        correct = binary_labels(function, "y_true", y_true)
        score = np.asarray(y_score, np.float64)
        if not correct.shape == score.shape == weights.shape[1:]:
            got = f"shapes {correct.shape}, {score.shape} and {weights.shape}"
            raise refuse(function, "first, second, weights", "of one length", got)
        try:
            values.append(statistic(correct, score))
        except UndefinedMetricError as undefined:
            return Difference(Estimate.undefined(str(undefined)), None, None)
        found.append(replicates(correct, score))
    value, drawn = values[0] - values[1], found[0] - found[1]
    return difference_of_replicates(value, drawn, weights=weights, level=level)
