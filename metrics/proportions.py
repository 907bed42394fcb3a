"""Shares of samples, with intervals that know that samples of one image go together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from metrics._checks import Labels, between, binary_labels, codes, finite_array, refuse
from metrics._estimate import Estimate
from metrics.errors import UndefinedMetricError


def wilson_interval(
    successes: float, n: int, *, effective_n: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    r"""Wilson's score interval of a proportion.

    .. math:: \frac{p + z^2 / 2m \pm z \sqrt{p(1-p)/m + z^2/4m^2}}{1 + z^2 / m}

    with :math:`p` = successes / n, :math:`m` the effective sample size and :math:`z` the normal
    quantile. No direction. Range: within :math:`[0, 1]`, never of zero width.

    Parameters
    ----------
    successes : float
        Number of successes, 0 … n.
    n : int
        Number of samples.
    effective_n : float, optional
        Replaces n in the width when samples are grouped (`effective_sample_size`).
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    UndefinedMetricError
        If n is zero.
    ValueError
        If ``successes`` is outside [0, n] or ``effective_n`` is not positive.

    References
    ----------
    Wilson (1927), JASA 22; with effective n: Kott and Carr (1997), J. Official Statistics 13.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    between("wilson_interval", "level", level, 0, 1)
    if n == 0:
        raise UndefinedMetricError("no samples")
    if not 0 <= successes <= n:
        raise refuse("wilson_interval", "successes", f"in [0, {n}]", successes)
    m = float(n) if effective_n is None else float(effective_n)
    if not m > 0:
        raise refuse("wilson_interval", "effective_n", "> 0", effective_n)
    z, p = float(norm.ppf((1 + level) / 2)), successes / n
    centre = p + z * z / (2 * m)
    half = z * math.sqrt(p * (1 - p) / m + z * z / (4 * m * m))
    scale = 1 + z * z / m
    # exact at the ends, where rounding would leave the estimate outside its interval
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def effective_sample_size(y: ArrayLike, groups: Labels) -> float:
    r"""Number of independent samples whose mean would be as certain.

    .. math:: n_{eff} = \min\left(n, \frac{s^2}{V}\right), \qquad
        V = \frac{G}{G-1} \frac{1}{n^2} \sum_g \Big(\sum_{i \in g} (y_i - \bar y)\Big)^2

    with :math:`s^2` the sample variance, :math:`G` the number of groups and :math:`V` the
    cluster-robust variance of the mean. n itself when every group has one sample; never more than
    n, even if samples of a group repel each other. Higher means more information. Range:
    :math:`(0, n]`.

    Parameters
    ----------
    y : float array, shape (n_samples,)
        Usually 0/1 correctness.
    groups : sequence, length n_samples
        Group (image) of each sample.

    Returns
    -------
    float
        An effective count.

    Raises
    ------
    UndefinedMetricError
        If y is constant or there is one group only: V cannot be estimated.
    ValueError
        If y is not finite or lengths differ.

    References
    ----------
    Kish (1965), Survey Sampling, design effect.

    Examples
    --------
    >>> round(effective_sample_size([1, 1, 0, 0, 1, 1], list("aabbcc")), 4)
    2.4
    """
    values = finite_array("effective_sample_size", "y", y)
    group = codes("effective_sample_size", "groups", groups, values.size)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < 2:
        raise UndefinedMetricError(f"effective sample size needs two groups, got {n_groups}")
    if values.min() == values.max():
        raise UndefinedMetricError(f"effective sample size of a constant ({values[0]:g})")
    n = values.size
    sums = np.bincount(group, weights=values - values.mean())
    variance_of_mean = n_groups / (n_groups - 1) * float((sums**2).sum()) / n**2
    variance = float(values.var(ddof=1))
    return float(n) if variance >= n * variance_of_mean else variance / variance_of_mean


def proportion_estimate(y: ArrayLike, groups: Labels, *, level: float = 0.95) -> Estimate:
    r"""Share of ones with Wilson's interval at the effective sample size.

    .. math:: \bar y \pm z \sqrt{\bar y (1 - \bar y) / n_{eff}} \quad \text{(Wilson's form)}

    with :math:`n_{eff}` from `effective_sample_size`, or the number of groups where all values are
    equal or there is one group. Higher means more ones. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y : 0/1 array, shape (n_samples,)
        Usually correctness.
    groups : sequence, length n_samples
        Group (image) of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined for no samples. The standard error is the binomial one at :math:`n_{eff}`; where
        all values are equal, that of a normal interval as wide as Wilson's.

    Raises
    ------
    ValueError
        If a value is not 0 or 1, or lengths differ.

    References
    ----------
    Method §7; Kott and Carr (1997), J. Official Statistics 13.

    Examples
    --------
    >>> found = proportion_estimate([1, 1, 0, 0, 1, 1], list("aabbcc"))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.6667, 0.1803, 0.9479)
    """
    ones = binary_labels("proportion_estimate", "y", y)
    group = codes("proportion_estimate", "groups", groups, ones.size)
    if not ones.size:
        return Estimate.undefined("no samples")
    try:
        effective = effective_sample_size(ones, group)
    except UndefinedMetricError:
        effective = float(np.unique(group).size)
    p = float(ones.mean())
    low, high = wilson_interval(int(ones.sum()), ones.size, effective_n=effective, level=level)
    z = float(norm.ppf((1 + level) / 2))
    stderr = math.sqrt(p * (1 - p) / effective) if 0 < p < 1 else (high - low) / (2 * z)
    return Estimate(p, low, high, stderr, None)
