"""The difference of two shares of the same samples: score intervals at the effective size.

Where little varies the usual standard error is far too small, and 0 where nothing does. The score
test takes its variance at the difference it tests instead, so that few answers prove little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm
from scipy.stats import t as student

from metrics.comparison.differences import Difference
from metrics.core.checks import (
    BoolArray,
    IntArray,
    Labels,
    between,
    binary_labels,
    codes,
    refuse,
    same_length,
)
from metrics.core.estimate import Estimate

NOTHING_VARIED = "no answer differs: bound from the number of images (rule of three)"
# how much of an image, all of whose answers changed, is added where the design effect is estimated
UNSEEN = 0.25


@dataclass(frozen=True)
class _Discordant:
    """Samples that are 1 on one side only, as counts of an effective sample."""

    only_first: float
    only_second: float
    n: float
    degrees: int
    value: float


def paired_proportion_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: Labels,
    margin: float = 0.0,
    level: float = 0.95,
) -> Difference:
    r"""Share of ones of one minus that of the other, with a score interval over images.

    .. math:: T(\delta) = \frac{b - c - m \delta}{\sqrt{m \, (2 \tilde q + \delta (1 - \delta))}},
        \qquad m = n / \max\Big(1, \frac{\frac{G}{G-1} \sum_g (\sum_{i \in g} r_i)^2
        + \frac14 \bar m^2}{\sum_i r_i^2 + \frac14 \bar m}\Big)

    The interval holds every :math:`\delta` with :math:`|T(\delta)| \le t_{G-1}`. :math:`b` and
    :math:`c` are the samples that are 1 in the first, or in the second, only, as counts of
    :math:`m` effective samples; :math:`\tilde q` is the maximum-likelihood share of the latter if
    the difference is :math:`\delta`. In the design effect :math:`r` are the differences less their
    mean and :math:`\bar m = \sum_g n_g^2 / n` the size of an image; a quarter of an image
    that changed altogether is added, since what was not seen in few images may still be there.
    Where nothing varied the interval is :math:`\pm (1 - \alpha^{1/m})`, about :math:`3 / m`, and
    the note says so. No direction: positive favours the first. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : 0/1 array, shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    margin : float in [0, 1], default 0.0
        The p-value is of a true difference within it: twice the score test at its nearer end, 1
        for a difference within the margin.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined with a reason for no samples or one image. The standard error is the binomial one
        at :math:`m`; where that is 0, the one of a normal interval of this width.
        ``smallest_detectable`` is `detectable_proportion_difference`. No p-value where nothing
        varied and the margin is 0.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Tango (1998), Statistics in Medicine 17; design effect as in Kott and Carr (1997), J. Official
    Statistics 13; Hanley and Lippman-Hand (1983), JAMA 249, rule of three. The quarter image
    is ours.

    Examples
    --------
    >>> found = paired_proportion_difference([1] * 50, [1] * 38 + [0] * 12, groups=range(50))
    >>> round(found.estimate.low, 3), found.estimate.value, round(found.estimate.high, 3)
    (0.14, 0.24, 0.379)
    """
    function = "paired_proportion_difference"
    between(function, "level", level, 0, 1 - 1e-12)
    _legal_margin(function, margin)
    table = _table(function, first, second, groups)
    if isinstance(table, str):
        return Difference(Estimate.undefined(table), None, None)
    if not table.only_first + table.only_second:
        bound = 1 - (1 - level) ** (1 / table.n)
        stderr = bound / float(norm.ppf((1 + level) / 2))
        estimate = Estimate(0.0, -bound, bound, stderr, None, note=NOTHING_VARIED)
        p_value = 1.0 if margin else None
    else:
        value, quantile = table.value, float(student.ppf((1 + level) / 2, table.degrees))
        low, high = _score_interval(table, quantile)
        changed = (table.only_first + table.only_second) / table.n
        variance = max(0.0, changed - value**2) / table.n
        stderr = math.sqrt(variance) if variance else (high - low) / (2 * quantile)
        estimate = Estimate(value, low, high, stderr, None)
        p_value = _p_value(table, margin)
    detectable = _detectable(table, margin, 0.8, 1 - level)
    return Difference(estimate, p_value, detectable, table.degrees)


def detectable_proportion_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: Labels,
    margin: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float | None:
    r"""True change that `paired_proportion_difference` would have found beyond the margin.

    .. math:: \delta: \quad \frac{\delta - M}{SE_M} = t_{1 - \alpha/2} + z_{power}
        \frac{SE_\delta}{SE_M}

    for samples of which the share :math:`q + \delta` changed one way and :math:`q` the other, with
    :math:`q` the smaller of both shares seen here, and the standard errors of the score test at the
    margin :math:`M` and at :math:`\delta`. Lower means a finer comparison. Range: :math:`(M, 1]`.

    Parameters
    ----------
    first, second : 0/1 array, shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    margin : float in [0, 1], default 0.0
        What the change has to exceed.
    power : float in (alpha, 1), default 0.8
        Chance of finding it.
    alpha : float in (0, 1), default 0.05
        Two-sided level of the test.

    Returns
    -------
    float or None
        None if no change is large enough, or there is no interval at all.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7 (ours), for the test of Tango (1998), Statistics in Medicine 17.

    Examples
    --------
    >>> same = np.arange(500) % 4 > 0
    >>> round(detectable_proportion_difference(same, same, groups=range(500), margin=0.02), 3)
    0.04
    """
    function = "detectable_proportion_difference"
    between(function, "alpha", alpha, 0, 1 - 1e-12)
    between(function, "power", power, alpha, 1 - 1e-12)
    _legal_margin(function, margin)
    table = _table(function, first, second, groups)
    return None if isinstance(table, str) else _detectable(table, margin, power, alpha)


def _legal_margin(function: str, margin: float) -> None:
    if not 0 <= margin <= 1:
        raise refuse(function, "margin", "in [0, 1]", margin)


def _table(function: str, first: ArrayLike, second: ArrayLike, groups: Labels) -> _Discordant | str:
    """Return the counts at the effective sample size, or why there is none."""
    one, two = binary_labels(function, "first", first), binary_labels(function, "second", second)
    same_length(function, "second", two, one.size)
    group = codes(function, "groups", groups, one.size)
    if not one.size:
        return "no samples"
    n_groups = int(group.max()) + 1
    if n_groups < 2:
        return "one group only: no interval"
    share = 1 / _design_effect(one, two, group)
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    return _Discordant(
        share * only_first,
        share * only_second,
        share * one.size,
        n_groups - 1,
        (only_first - only_second) / one.size,  # 2 of 100 are 0.02, whatever the effective size
    )


def _design_effect(one: BoolArray, two: BoolArray, group: IntArray) -> float:
    difference = one.astype(np.float64) - two
    rest = difference - difference.mean()
    sums, sizes = np.bincount(group, weights=rest), np.bincount(group)
    size = float((sizes**2).sum()) / rest.size
    between_images = sizes.size / (sizes.size - 1) * float((sums**2).sum())
    seen = float((rest**2).sum())
    return float(max(1.0, (between_images + UNSEEN * size**2) / (seen + UNSEEN * size)))


def _score(table: _Discordant, delta: float) -> float:
    """Tango's statistic of a difference ``delta``; falls with it."""
    b, c, n = table.only_first, table.only_second, table.n
    linear = (2 * n - b + c) * delta - b - c
    root = math.sqrt(max(0.0, linear**2 + 8 * n * c * delta * (1 - delta)))
    share = max(0.0, (root - linear) / (4 * n))
    variance = n * (2 * share + delta * (1 - delta))
    distance = b - c - n * delta
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _score_interval(table: _Discordant, quantile: float) -> tuple[float, float]:
    value = table.value
    low = high = value
    if _score(table, -1.0) > quantile:
        low = float(brentq(lambda d: _score(table, d) - quantile, -1.0 + 1e-12, value))
    else:
        low = -1.0
    if _score(table, 1.0) < -quantile:
        high = float(brentq(lambda d: _score(table, d) + quantile, value, 1.0 - 1e-12))
    else:
        high = 1.0
    return low, high


def _p_value(table: _Discordant, margin: float) -> float:
    if abs(table.value) <= margin:
        return 1.0
    distance = abs(_score(table, math.copysign(margin, table.value)))
    return float(2 * student.sf(distance, table.degrees))


def _detectable(table: _Discordant, margin: float, power: float, alpha: float) -> float | None:
    churn = min(table.only_first, table.only_second)
    critical = float(student.ppf(1 - alpha / 2, table.degrees))
    reach = float(norm.ppf(power))

    def excess(change: float) -> float:
        b = churn + table.n * change
        found = _Discordant(b, churn, table.n, table.degrees, change)
        at_margin = (found.only_first - found.only_second - table.n * margin) / _score(
            found, margin
        )
        at_change = math.sqrt(max(0.0, b + churn - table.n * change**2))
        return table.n * (change - margin) - critical * at_margin - reach * at_change

    most = 1 - 2 * churn / table.n
    least = margin + 1e-9
    if most <= least or excess(most) < 0:
        return None
    return float(brentq(excess, least, most))
