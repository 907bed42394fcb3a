"""How accuracy falls with the dose of an intervention, and whether chosen units matter more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from metrics.comparison.differences import Difference
from metrics.comparison.paired import difference_of_influences
from metrics.core.checks import (
    FloatArray,
    IntArray,
    Labels,
    between,
    codes,
    level_inside,
    refuse,
    same_length,
)
from metrics.core.estimate import Estimate, estimate_from_influence, few_images, joined
from metrics.robustness.dose_curves import crossing, reached_within
from metrics.robustness.dose_response import DoseResponse
from metrics.scores.bootstrap import mean_estimate

NO_START = "no answer is right without intervention"


@dataclass(frozen=True)
class CriticalDose:
    """The dose at which accuracy has fallen by some points, with its interval.

    ``value``, ``low`` and ``high`` are None where the largest dose, ``largest``, does not reach
    that; all of them when ``reason`` says why there is no such thing. ``note`` says where the
    interval must not be taken at its width.
    """

    value: float | None
    low: float | None
    high: float | None
    largest: float
    reason: str | None = None
    note: str | None = None


def robustness_area(response: DoseResponse, *, groups: Labels, level: float = 0.95) -> Estimate:
    r"""Normalised area under the curve of accuracy over dose, with a t interval over images.

    .. math:: A = \frac{1}{x_m\, a(0)} \int_0^{x_m} a(x)\, dx

    with :math:`a` linear between the doses measured and :math:`x_m` the largest of them. 1 is a
    curve that stays where it began. The interval is that of a ratio of means (delta method, G − 1
    degrees of freedom). Higher means more robust. Range: :math:`[0, 1 / a(0)]`.

    Parameters
    ----------
    response : DoseResponse
        The curve.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined if no answer is right without intervention.

    Raises
    ------
    ValueError
        If the groups are of other samples.

    References
    ----------
    Method §5 (ours).

    Examples
    --------
    >>> curve = DoseResponse(np.array([0.5, 1.0]), np.array([[1, 0]] * 3 + [[1, 1]]), np.ones(4))
    >>> robustness_area(curve, groups=range(4)).value  # (1 + 1) / 2 · 0.5 + (1 + 0.25) / 2 · 0.5
    0.8125
    """
    function = "robustness_area"
    level_inside(function, level)
    group = codes(function, "groups", groups, response.clean.size)
    found = _area(response)
    if found is None:
        return Estimate.undefined(NO_START)
    return estimate_from_influence(*found, group, level=level)


def dose_at_drop(
    response: DoseResponse, *, groups: Labels, drop: float = 0.05, level: float = 0.95
) -> CriticalDose:
    r"""Smallest dose at which accuracy has fallen by ``drop``.

    .. math:: x^* = \min \{x : a(x) \le a(0) - drop\}

    with :math:`a` linear between the doses measured. Higher means more robust. Range:
    :math:`(0, x_m]`, or beyond the largest dose :math:`x_m`, which is None.

    Parameters
    ----------
    response : DoseResponse
        The curve.
    groups : sequence, length n_samples
        Image of each sample.
    drop : float in (0, 1], default 0.05
        In accuracy: 0.05 are five points.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    CriticalDose
        Has a reason if accuracy cannot fall so far.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §5 (ours).

    Examples
    --------
    >>> curve = DoseResponse(np.array([0.5, 1.0]), np.array([[1, 0]] * 4), np.ones(4))
    >>> round(dose_at_drop(curve, groups=range(4)).value, 4)  # 0.5 + 0.05 · 0.5
    0.525
    """
    function = "dose_at_drop"
    between(function, "drop", drop, 0, 1)
    level_inside(function, level)
    group = codes(function, "groups", groups, response.clean.size)
    largest = float(response.doses[-1])
    accuracy = response.accuracy()
    if accuracy[0] < drop:
        reason = f"accuracy is {accuracy[0]:.3f} without intervention and cannot fall by {drop:g}"
        return CriticalDose(None, None, None, largest, reason)
    if np.unique(group).size < 2:
        return CriticalDose(None, None, None, largest, "one group only: no interval")
    value = crossing(response.doses, accuracy[:, None], drop)[0]
    low, high = reached_within(response, group, drop, level)
    at, least, most = (float(v) if np.isfinite(v) else None for v in (value, low, high))
    return CriticalDose(at, least, most, largest, note=few_images(np.unique(group).size))


def control_gap(
    chosen: DoseResponse, control: DoseResponse, *, groups: Labels, level: float = 0.95
) -> list[Estimate]:
    r"""Accuracy with the chosen units gone less accuracy with as many control units gone.

    .. math:: g(x) = a_{chosen}(x) - a_{control}(x)

    at each dose, on the same samples: means of paired differences, with t intervals over images.
    Where all images show the same (none changed, say), the interval is that of the rule of three.
    Higher means the chosen ones matter less than the control. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    chosen, control : DoseResponse
        Rows of both belong to the same samples, columns to the same doses.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    list of Estimate
        One per dose.

    Raises
    ------
    ValueError
        If the two are of other samples or doses.

    References
    ----------
    arXiv 2605.08200 compares with one random draw; averaging seeds and pairing by image is ours.

    Examples
    --------
    >>> curves = [DoseResponse(np.ones(1), np.array(c), np.ones(4))
    ...           for c in ([[0], [0], [0], [1]], [[1], [1], [0.5], [1]])]
    >>> control_gap(*curves, groups=range(4))[0].value
    -0.625
    """
    function = "control_gap"
    level_inside(function, level)
    if not np.array_equal(chosen.doses, control.doses):
        raise refuse(function, "control", f"at doses {chosen.doses}", control.doses)
    same_length(function, "control", control.clean, chosen.clean.size)
    group = codes(function, "groups", groups, chosen.clean.size)
    return [_gap(own, group, level) for own in (chosen.correct - control.correct).T]


def _gap(own: FloatArray, group: IntArray, level: float) -> Estimate:
    found = mean_estimate(own, groups=group, level=level)
    if found.value is None or found.stderr != 0:
        return found
    # none of G images differs from the others, so less than this share of all images does
    n_groups = int(group.max()) + 1
    reach = 1 - (1 - level) ** (1 / n_groups)
    low, high = max(-1.0, found.value - reach), min(1.0, found.value + reach)
    stderr = reach / float(norm.ppf((1 + level) / 2))
    return replace(
        found,
        low=low,
        high=high,
        stderr=stderr,
        note=joined(few_images(n_groups), "the same in every image: bound by the rule of three"),
    )


def robustness_area_difference(
    first: DoseResponse, second: DoseResponse, *, groups: Labels, level: float = 0.95
) -> Difference:
    r"""Robustness area of one curve less that of the other, on the same samples.

    .. math:: D = A_1 - A_2, \qquad \psi_i = \frac{u_i - A \, c_i}{n \, a(0)}

    with :math:`u_i` the mean of sample i's outcomes over the doses (trapezoids) and :math:`c_i` its
    outcome without intervention: the influence on a ratio of means. Student's t on the sums of
    :math:`\psi^1 - \psi^2` over images, G - 1 degrees of freedom. No direction: positive favours
    the first. Range: unbounded, about :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : DoseResponse
        Rows of both belong to the same samples, columns to the same doses; two models, or chosen
        and control.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined if either area is, or for one image. Without a p-value where the standard error
        is 0.

    Raises
    ------
    ValueError
        If the two are of other samples or doses.

    References
    ----------
    Method §7 (ours); Cochran (1977), Sampling Techniques, §6.4, variance of a ratio.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> firm, frail = (
    ...     DoseResponse(np.ones(1), rng.random((40, 1)) < p, np.ones(40)) for p in (0.9, 0.2)
    ... )
    >>> robustness_area_difference(firm, frail, groups=range(40)).estimate.low > 0
    True
    """
    function = "robustness_area_difference"
    if not np.array_equal(first.doses, second.doses):
        raise refuse(function, "second", f"at doses {first.doses}", second.doses)
    same_length(function, "second", second.clean, first.clean.size)
    group = codes(function, "groups", groups, first.clean.size)
    one, two = _area(first), _area(second)
    if one is None or two is None:
        return Difference(Estimate.undefined(NO_START), None, None)
    return difference_of_influences(one[0] - two[0], one[1] - two[1], group, level=level)


def _area(response: DoseResponse) -> tuple[float, FloatArray] | None:
    """Return the normalised area and the influence of each sample; None without a start."""
    width = np.diff(response.doses, prepend=0.0) / response.doses[-1]
    columns = response.columns()
    own = (columns[:, 1:] + columns[:, :-1]) / 2 @ width
    start = float(response.clean.mean())
    if not start > 0:
        return None
    value = float(own.mean()) / start
    return value, (own - value * response.clean) / (start * own.size)
