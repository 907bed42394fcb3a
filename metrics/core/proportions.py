"""Shares of samples, with intervals that know that samples of one image go together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from metrics.core.checks import (
    FloatArray,
    IntArray,
    Labels,
    codes,
    finite_array,
    level_inside,
    refuse,
    unit_scaled,
)
from metrics.core.clustered import clustered_degrees
from metrics.core.estimate import Estimate, few_images
from metrics.core.shares import wilson
from metrics.errors import UndefinedMetricError

ROUNDING = 1e-12


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
    level_inside("wilson_interval", level)
    if n == 0:
        raise UndefinedMetricError("no samples")
    if not 0 <= successes <= n:
        raise refuse("wilson_interval", "successes", f"in [0, {n}]", successes)
    m = float(n) if effective_n is None else float(effective_n)
    if not 0 < m < math.inf:
        raise refuse("wilson_interval", "effective_n", "finite and > 0", effective_n)
    return wilson(successes / n, m, float(norm.ppf((1 + level) / 2)))


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
    values = unit_scaled(finite_array("effective_sample_size", "y", y))
    group = codes("effective_sample_size", "groups", groups, values.size)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < 2:
        raise UndefinedMetricError(f"effective sample size needs two groups, got {n_groups}")
    if values.min() == values.max():
        constant = float(np.asarray(y, np.float64)[0])
        raise UndefinedMetricError(f"effective sample size of a constant ({constant:g})")
    n = values.size
    sums = np.bincount(group, weights=values - values.mean())
    variance_of_mean = n_groups / (n_groups - 1) * float((sums**2).sum()) / n**2
    variance = float(values.var(ddof=1))
    return float(n) if variance >= n * variance_of_mean else variance / variance_of_mean


def proportion_estimate(y: ArrayLike, groups: Labels, *, level: float = 0.95) -> Estimate:
    r"""Share of ones with Wilson's interval at the effective sample size, by t over images.

    .. math:: \frac{\bar y + q^2 / 2m \pm
        q \sqrt{\bar y (1 - \bar y) / m + q^2 / 4m^2}}{1 + q^2 / m}

    with :math:`m = n_{eff}` from `effective_sample_size` and :math:`q` the quantile of Student's t
    with G − 1 degrees of freedom, or fewer where few of the images carry the variance, as
    :math:`n_{eff}` is itself estimated from G images. Where no image differs from another (all
    answers right, or half of them in every image) the images say nothing of that: m is then their
    number G. q is normal for a constant, and for 0/1 values each of an image of its own, whose
    variance is known. Higher means more ones. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y : float array, shape (n_samples,)
        In [0, 1]: usually 0/1 correctness, or its mean over seeds.
    groups : sequence, length n_samples
        Group (image) of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined for no samples. The standard error is the binomial one at :math:`n_{eff}`; where
        all values are 0, or all 1, that of a normal interval as wide as Wilson's. Its note says
        where there are few images.

    Raises
    ------
    ValueError
        If a value is outside [0, 1], or lengths differ.

    References
    ----------
    Method §7; Kott and Carr (1997), J. Official Statistics 13; Korn and Graubard (1998), Survey
    Methodology 24, for the degrees of freedom.

    Examples
    --------
    >>> found = proportion_estimate([1, 1, 0, 0, 1, 1], list("aabbcc"))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.6667, 0.0517, 0.9866)
    """
    function = "proportion_estimate"
    level_inside(function, level)
    values = finite_array(function, "y", y)
    group = codes(function, "groups", groups, values.size)
    if not values.size:
        return Estimate.undefined("no samples")
    if values.min() < 0 or values.max() > 1:
        raise refuse(function, "y", "in [0, 1]", f"{values.min():g} … {values.max():g}")
    p, n_groups = float(values.mean()), int(group.max()) + 1
    m, z = _effective(values, group), float(norm.ppf((1 + level) / 2))
    known = n_groups == values.size and bool(((values == 0) | (values == 1)).all())
    quantile = z
    if n_groups > 1 and values.min() < values.max() and not known:
        degrees = clustered_degrees(values - p, group, least_images=n_groups)
        quantile = float(student.ppf((1 + level) / 2, degrees))
    low, high = wilson(p, m, quantile)
    stderr = math.sqrt(p * (1 - p) / m) if 0 < p < 1 else (high - low) / (2 * z)
    return Estimate(p, low, high, stderr, None, note=few_images(n_groups))


def _effective(values: FloatArray, group: IntArray) -> float:
    """Return the binomial trials whose share would be as certain as this mean of n_eff values."""
    n_groups = int(group.max()) + 1
    spread, p = float(values.var()), float(values.mean())
    sums = np.bincount(group, weights=values - p)
    if n_groups < 2 or np.abs(sums).max() <= ROUNDING * values.size:
        return float(n_groups)
    return effective_sample_size(values, group) * p * (1 - p) / spread
