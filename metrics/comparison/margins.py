"""What a difference says of a margin of tolerance."""

from __future__ import annotations

import math
from dataclasses import replace

from scipy.stats import norm
from scipy.stats import t as student

from metrics.comparison.differences import Difference, smallest_detectable_difference
from metrics.core.checks import at_least, between, refuse

ALIKE = "nothing differs over images: bound from their number (rule of three)"


def beyond_margin(
    difference: Difference,
    *,
    margin: float,
    n_groups: int,
    reach: float = 2.0,
    level: float = 0.95,
) -> Difference:
    r"""Turn a test of "is there a difference?" into one of "is it larger than the margin?".

    .. math:: p = 2 \, P\Big(t_\nu > \frac{|D| - M}{SE}\Big), \qquad
        \nu = \min\Big(G - 1, \frac{2 G K}{G - K}\Big)

    and 1 for :math:`|D| \le M`, whatever test the difference itself carries. The degrees
    :math:`\nu` are fewer than :math:`G - 1` where the standard error rests on few images
    (:math:`K`, the difference's ``support``): two answers that changed do not show how much
    changes. Where no image differs at all, less than :math:`\pi = 1 - \alpha^{1/G}`, about
    :math:`3/G`, of all images would, and the interval is :math:`D \pm \pi r (1 + |D|)`, with
    :math:`r` the ``reach``. No direction. Range: that of the difference.

    Parameters
    ----------
    difference : Difference
        As the functions of `paired_differences` give it.
    margin : float >= 0
        What is tolerated, either way.
    n_groups : int
        Number of images, :math:`G`, at least 2.
    reach : float > 0, default 2.0
        By how much the figure can change at most per share of images that change: 2 for an AUROC,
        since a share of images is in at most twice that share of all pairs.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        With interval, p-value and smallest detectable difference for the margin. An undefined one
        stays as it is.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Method §7; Satterthwaite (1946), Biometrics Bulletin 2; Hanley and Lippman-Hand (1983), JAMA
    249, rule of three.

    Examples
    --------
    >>> from metrics.scores.paired_differences import paired_mean_difference
    >>> first, second = [1, 1, 1, 0] * 10, [1, 0] * 20
    >>> plain = paired_mean_difference(first, second, groups=range(40))
    >>> found = beyond_margin(plain, margin=0.1, n_groups=40)
    >>> round(plain.p_value, 4), round(found.p_value, 4)
    (0.0009, 0.0367)
    """
    function = "beyond_margin"
    between(function, "level", level, 0, 1 - 1e-12)
    at_least(function, "n_groups", n_groups, 2)
    if not (math.isfinite(margin) and margin >= 0):
        raise refuse(function, "margin", ">= 0", margin)
    if not (math.isfinite(reach) and reach > 0):
        raise refuse(function, "reach", "> 0", reach)
    estimate = difference.estimate
    if estimate.value is None or estimate.stderr is None:
        return difference
    if estimate.stderr == 0:
        return _nothing_differs(difference, estimate.value, margin, n_groups, reach, level)
    value, stderr, excess = estimate.value, estimate.stderr, abs(estimate.value) - margin
    degrees = _degrees(difference, n_groups)
    half = float(student.ppf((1 + level) / 2, degrees)) * stderr
    p_value = 1.0 if excess <= 0 else float(2 * student.sf(excess / stderr, degrees))
    detectable = smallest_detectable_difference(
        stderr, alpha=1 - level, degrees=degrees, margin=margin
    )
    estimate = replace(estimate, low=value - half, high=value + half)
    return Difference(estimate, p_value, detectable, degrees, difference.support)


def _nothing_differs(
    difference: Difference, value: float, margin: float, n_groups: int, reach: float, level: float
) -> Difference:
    most, excess = reach * (1 + abs(value)), abs(value) - margin
    bound = most * (1 - (1 - level) ** (1 / n_groups))
    estimate = replace(
        difference.estimate,
        low=value - bound,
        high=value + bound,
        stderr=bound / float(norm.ppf((1 + level) / 2)),
        note=ALIKE,
    )
    p_value = 1.0 if excess <= 0 else max(0.0, 1 - excess / most) ** n_groups
    return Difference(estimate, p_value, None, difference.degrees)


def _degrees(difference: Difference, n_groups: int) -> float:
    most = float(n_groups - 1) if difference.degrees is None else difference.degrees
    images, support = most + 1, difference.support
    if support is None or support >= images:
        return most
    return min(most, 2 * images * support / (images - support))
