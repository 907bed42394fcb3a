"""How well one model's probabilities come true, less how well another's do, on the same samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from metrics.calibration.bins import bin_of_each
from metrics.calibration.gap_inversion import likeliest, limits
from metrics.calibration.gaps import gaps_of
from metrics.comparison.differences import Difference, smallest_detectable_difference
from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    between,
    codes,
    probabilities,
    same_length,
)
from metrics.core.clustered import clustered_stderr
from metrics.core.estimate import Estimate

Pair = tuple[ArrayLike, ArrayLike]
Side = tuple[BoolArray, FloatArray]
ALIKE = "no image differs from another in it: no interval, no test"


def paired_brier_difference(
    first: Pair, second: Pair, *, groups: Labels, level: float = 0.95
) -> Difference:
    r"""Brier loss of one minus that of the other, on the same samples.

    .. math:: D = \frac1n \sum_i [(p_{1i} - y_{1i})^2 - (p_{2i} - y_{2i})^2]

    A mean: the standard error is that of its sums over images, with Student's t and G - 1 degrees
    of freedom. It falls with the error rate too, not by calibration alone. No direction: *negative*
    favours the first. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_prob), each shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined for one image; without a p-value where all images differ by the same.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If an argument is malformed.

    References
    ----------
    Diebold and Mariano (1995), J. Business and Economic Statistics 13 (a mean difference of
    losses); Cameron and Miller (2015), J. Human Resources 50 (few clusters).

    Examples
    --------
    >>> right, sure = np.arange(40) % 4 > 0, np.full(40, 0.99)
    >>> found = paired_brier_difference((right, sure), (right, np.full(40, 0.75)), groups=range(40))
    >>> round(found.estimate.value, 4)
    0.0576
    """
    one, two, group = _checked("paired_brier_difference", first, second, groups, level)
    losses = [(prob - correct) ** 2 for correct, prob in (one, two)]
    moved = losses[0] - losses[1]
    value = float(moved.mean())
    stderr = clustered_stderr((moved - value) / moved.size, group)
    return _symmetric(value, stderr, int(group.max()), level)


def paired_calibration_error_difference(
    first: Pair, second: Pair, *, groups: Labels, n_bins: int = 15, level: float = 0.95
) -> Difference:
    r"""Debiased ECE of one minus that of the other, on the same samples.

    .. math:: D = \hat\theta_1 - \hat\theta_2, \qquad D \pm \max\Big(
        \sqrt{(\hat\theta_1 - l_1)^2 + (u_2 - \hat\theta_2)^2},
        \sqrt{(u_1 - \hat\theta_1)^2 + (\hat\theta_2 - l_2)^2} \Big)

    with :math:`\hat\theta` and its limits :math:`l, u` as in `calibration_error_estimate`. Nothing
    is taken off for the correlation of the answers: absolute gaps near 0 have little of it. But two
    models that say nearly the same cannot differ by more than their gaps do,
    :math:`|\theta_1 - \theta_2| \le \sum_b |\gamma_{1b} - \gamma_{2b}|`, and the interval does not
    reach beyond the upper limit of that sum. It is too wide rather than too short; a difference of
    Brier losses needs none of this. No direction: *negative* favours the first, since ECE is an
    error. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_prob), each shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    n_bins : int, default 15
        Number of bins of equal width.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined for one image; without a p-value where both say and get the same.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If an argument is malformed.

    References
    ----------
    Zou and Donner (2008), Statistics in Medicine 27 (limits of a difference from those of its
    parts). The bound is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prob = rng.uniform(0.2, 0.8, 600)
    >>> right = rng.random(600) < prob
    >>> found = paired_calibration_error_difference(
    ...     (right, prob + 0.2), (right, prob), groups=range(600)
    ... )
    >>> found.estimate.low > 0.1, found.estimate.high < 0.3
    (True, True)
    """
    function = "paired_calibration_error_difference"
    one, two, group = _checked(function, first, second, groups, level)
    at_least(function, "n_bins", n_bins, 1)
    degrees = int(group.max())
    if degrees < 1:
        return _symmetric(0.0, math.nan, degrees, level)
    reach = float(student.ppf((1 + level) / 2, degrees))
    largest = _largest(one, two, group, n_bins, reach)
    (first_, below1, above1), (second_, below2, above2) = (
        _with_margins(side, group, n_bins, level) for side in (one, two)
    )
    value = min(largest, max(-largest, first_ - second_))
    half = max(math.hypot(below1, above2), math.hypot(above1, below2))
    return _symmetric(value, min(half, largest + abs(value)) / reach, degrees, level)


def _checked(
    function: str, first: Pair, second: Pair, groups: Labels, level: float
) -> tuple[Side, Side, IntArray]:
    one, two = probabilities(function, *first), probabilities(function, *second)
    same_length(function, "second", two[0], one[0].size)
    between(function, "level", level, 0, 1 - 1e-12)
    return one, two, codes(function, "groups", groups, one[0].size)


def _with_margins(
    side: Side, group: IntArray, n_bins: int, level: float
) -> tuple[float, float, float]:
    """Return the debiased ECE, and how far its limits are below and above."""
    gaps = gaps_of(*side, group, n_bins=n_bins)
    value, (low, high) = float(np.abs(likeliest(gaps)).sum()), limits(gaps, level)
    return value, max(0.0, value - low), max(0.0, high - value)


def _largest(one: Side, two: Side, group: IntArray, n_bins: int, reach: float) -> float:
    """Upper limit of the summed distance of the gaps; not debiased, so on the safe side."""
    moved = np.zeros((group.size, n_bins))
    for sign, (correct, prob) in ((1, one), (-1, two)):
        bin_, _ = bin_of_each(prob, n_bins, equal_mass=False)
        moved[np.arange(group.size), bin_] += sign * (correct - prob)
    distance = moved.mean(axis=0)
    along, value = moved @ np.sign(distance), float(np.abs(distance).sum())
    return value + reach * clustered_stderr((along - value) / group.size, group)


def _symmetric(value: float, stderr: float, degrees: int, level: float) -> Difference:
    if degrees < 1:
        return Difference(Estimate.undefined("one group only: no interval"), None, None)
    if stderr == 0:
        return Difference(Estimate(value, value, value, 0.0, None, note=ALIKE), None, None)
    half = float(student.ppf((1 + level) / 2, degrees)) * stderr
    estimate = Estimate(value, max(-1.0, value - half), min(1.0, value + half), stderr, None)
    p_value = float(2 * student.sf(abs(value) / stderr, degrees))
    return Difference(estimate, p_value, smallest_detectable_difference(stderr, alpha=1 - level))
