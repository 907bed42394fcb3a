"""Do stated probabilities come true? For probabilities only: other scores are calibrated first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.calibration.bins import bin_of_each
from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    at_least,
    probabilities,
)
from metrics.errors import UndefinedMetricError


@dataclass(frozen=True)
class ReliabilityBins:
    """One entry per bin; ``mean_prob`` and ``accuracy`` are None where ``count`` is 0."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]
    mean_prob: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]


def reliability_bins(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15, equal_mass: bool = False
) -> ReliabilityBins:
    r"""Mean probability and accuracy in bins of the probability.

    .. math:: \bar p_b = \frac{1}{n_b} \sum_{i \in b} p_i, \qquad
        a_b = \frac{1}{n_b} \sum_{i \in b} y_i

    over bins of equal width, or with edges at the quantiles of :math:`p`, where tied probabilities
    share a bin and coinciding edges are merged. No direction: a diagram. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    n_bins : int, default 15
        Number of bins.
    equal_mass : bool, default False
        Bins with about the same number of samples instead of the same width.

    Returns
    -------
    ReliabilityBins
        Edges, counts (empty bins are kept), means.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1] or another argument is malformed.

    References
    ----------
    Guo et al. (2017), arXiv 1706.04599.

    Examples
    --------
    >>> reliability_bins([0, 1, 1], [0.2, 0.4, 0.9], n_bins=2).count
    (2, 1)
    """
    correct, prob = probabilities("reliability_bins", y_true, y_prob)
    at_least("reliability_bins", "n_bins", n_bins, 1)
    index, edges = bin_of_each(prob, n_bins, equal_mass=equal_mass)
    count = np.bincount(index, minlength=edges.size - 1).tolist()
    mean_prob, accuracy = (
        tuple(total / n if n else None for total, n in zip(sums, count, strict=True))
        for sums in (_sums(index, values, len(count)) for values in (prob, correct))
    )
    low, high = tuple(edges[:-1].tolist()), tuple(edges[1:].tolist())
    return ReliabilityBins(low, high, tuple(count), mean_prob, accuracy)


def expected_calibration_error(
    y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15, equal_mass: bool = False
) -> float:
    r"""Mean distance between stated probability and accuracy over bins.

    .. math:: ECE = \sum_b \frac{n_b}{n} |a_b - \bar p_b|

    with the bins of `reliability_bins`. Lower means better calibrated; biased upwards for few
    samples per bin. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    n_bins : int, default 15
        Number of bins.
    equal_mass : bool, default False
        Equal-mass bins ("equal-mass ECE"; netcal's ACE is something else).

    Returns
    -------
    float
        A difference of probabilities.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        As in `reliability_bins`.

    References
    ----------
    Guo et al. (2017), arXiv 1706.04599, eq. 3; equal mass: Nixon et al. (2019), arXiv 1904.01685.

    Examples
    --------
    >>> round(expected_calibration_error([0, 1, 1], [0.2, 0.4, 0.9], n_bins=2), 4)
    0.1667
    """
    bins = reliability_bins(y_true, y_prob, n_bins=n_bins, equal_mass=equal_mass)
    filled = zip(bins.count, bins.accuracy, bins.mean_prob, strict=True)
    gaps = (n * abs(a - p) for n, a, p in filled if a is not None and p is not None)
    return sum(gaps) / sum(bins.count)


def brier_loss(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    r"""Mean squared distance between probability and outcome.

    .. math:: BS = \frac1n \sum_i (p_i - y_i)^2

    Lower means better. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].

    Returns
    -------
    float
        A squared probability.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1], or lengths differ.

    References
    ----------
    Brier (1950), Monthly Weather Review 78, binary form.

    Examples
    --------
    >>> brier_loss([1, 0], [0.5, 0.5])
    0.25
    """
    correct, prob = probabilities("brier_loss", y_true, y_prob)
    return float(((prob - correct) ** 2).mean())


def brier_skill_score(y_true: ArrayLike, y_prob: ArrayLike) -> float:
    r"""Share of the Brier loss of the base rate that the probabilities remove.

    .. math:: 1 - \frac{BS}{a (1 - a)}

    with :math:`a` the accuracy. Higher means better; 0 is always stating the accuracy. Range:
    :math:`(-\infty, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].

    Returns
    -------
    float
        A share.

    Raises
    ------
    UndefinedMetricError
        If there are no samples or one class only.
    ValueError
        As in `brier_loss`.

    References
    ----------
    Murphy (1973), J. Applied Meteorology 12.

    Examples
    --------
    >>> round(brier_skill_score([1, 0], [0.9, 0.1]), 4)
    0.96
    """
    correct, prob = probabilities("brier_skill_score", y_true, y_prob)
    accuracy, loss = float(correct.mean()), brier_loss(correct, prob)
    if accuracy in (0.0, 1.0):
        raise UndefinedMetricError("one class only: the base rate has no loss to improve on")
    return 1 - loss / (accuracy * (1 - accuracy))


def _sums(index: IntArray, values: FloatArray | BoolArray, n_bins: int) -> list[float]:
    sums: list[float] = np.bincount(index, weights=values, minlength=n_bins).tolist()
    return sums
