"""How accuracy falls with the dose of an intervention, and whether chosen units matter more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics._checks import FloatArray, Labels, between, codes, refuse, same_length
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._paired import difference_of_influences
from metrics._resampling import Weights
from metrics.comparison import Difference
from metrics.dose_response import DoseResponse


@dataclass(frozen=True)
class CriticalDose:
    """The dose at which accuracy has fallen by some points, with its interval.

    ``value``, ``low`` and ``high`` are None where the largest dose, ``largest``, does not reach
    that; all of them when ``reason`` says why there is no such thing.
    """

    value: float | None
    low: float | None
    high: float | None
    largest: float
    reason: str | None = None


def robustness_area(response: DoseResponse, *, weights: Weights, level: float = 0.95) -> Estimate:
    r"""Normalised area under the curve of accuracy over dose.

    .. math:: A = \frac{1}{x_m\, a(0)} \int_0^{x_m} a(x)\, dx

    with :math:`a` linear between the doses measured and :math:`x_m` the largest of them. 1 is a
    curve that stays where it began. Higher means more robust. Range: :math:`[0, 1 / a(0)]`.

    Parameters
    ----------
    response : DoseResponse
        The curve.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined if no answer is right without intervention.

    Raises
    ------
    ValueError
        If the weights are of other samples.

    References
    ----------
    Method §5 (ours).

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(4), n_resamples=200, rng=np.random.default_rng(0))
    >>> curve = DoseResponse(np.array([0.5, 1.0]), np.array([[1, 0]] * 3 + [[1, 1]]), np.ones(4))
    >>> robustness_area(curve, weights=weights).value  # (1 + 1) / 2 · 0.5 + (1 + 0.25) / 2 · 0.5
    0.8125
    """
    same_length("robustness_area", "weights", weights.T, response.clean.size)
    value = _area(response.doses, response.accuracy())
    if not np.isfinite(value):
        return Estimate.undefined("no answer is right without intervention")
    replicates = _area(response.doses, response.accuracies(weights))
    return estimate_from_replicates(float(value), replicates, weights=weights, level=level)


def dose_at_drop(
    response: DoseResponse, *, weights: Weights, drop: float = 0.05, level: float = 0.95
) -> CriticalDose:
    r"""Smallest dose at which accuracy has fallen by ``drop``.

    .. math:: x^* = \min \{x : a(x) \le a(0) - drop\}

    with :math:`a` linear between the doses measured. Higher means more robust. Range:
    :math:`(0, x_m]`, or beyond the largest dose :math:`x_m`, which is None.

    Parameters
    ----------
    response : DoseResponse
        The curve.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
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
    >>> from metrics.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(4), n_resamples=200, rng=np.random.default_rng(0))
    >>> curve = DoseResponse(np.array([0.5, 1.0]), np.array([[1, 0]] * 4), np.ones(4))
    >>> round(dose_at_drop(curve, weights=weights).value, 4)  # 0.5 + 0.05 · 0.5
    0.525
    """
    between("dose_at_drop", "drop", drop, 0, 1)
    same_length("dose_at_drop", "weights", weights.T, response.clean.size)
    largest = float(response.doses[-1])
    accuracy = response.accuracy()
    if accuracy[0] < drop:
        reason = f"accuracy is {accuracy[0]:.3f} without intervention and cannot fall by {drop:g}"
        return CriticalDose(None, None, None, largest, reason)
    value = _crossing(response.doses, accuracy[:, None], drop)[0]
    replicates = _crossing(response.doses, response.accuracies(weights), drop)
    if (weights == weights[:, :1]).all():
        return CriticalDose(None, None, None, largest, "one group only: no interval")
    order = np.sort(replicates)
    tail = (1 - level) / 2 * (order.size - 1)
    low, high = order[int(np.floor(tail))], order[int(np.ceil(order.size - 1 - tail))]
    at, least, most = (float(v) if np.isfinite(v) else None for v in (value, low, high))
    return CriticalDose(at, least, most, largest)


def control_gap(
    chosen: DoseResponse, control: DoseResponse, *, weights: Weights, level: float = 0.95
) -> list[Estimate]:
    r"""Accuracy with the chosen units gone less accuracy with as many control units gone.

    .. math:: g(x) = a_{chosen}(x) - a_{control}(x)

    at each dose, on the same samples and the same resamples. Higher means the chosen ones matter
    less than the control. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    chosen, control : DoseResponse
        Rows of both belong to the same samples, columns to the same doses.
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
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
    >>> from metrics.bootstrap import cluster_weights
    >>> weights = cluster_weights(range(4), n_resamples=200, rng=np.random.default_rng(0))
    >>> curves = [DoseResponse(np.ones(1), np.array(c), np.ones(4))
    ...           for c in ([[0], [0], [0], [1]], [[1], [1], [0.5], [1]])]
    >>> control_gap(*curves, weights=weights)[0].value
    -0.625
    """
    function = "control_gap"
    if not np.array_equal(chosen.doses, control.doses):
        raise refuse(function, "control", f"at doses {chosen.doses}", control.doses)
    same_length(function, "control", control.clean, chosen.clean.size)
    same_length(function, "weights", weights.T, chosen.clean.size)
    values = chosen.accuracy()[1:] - control.accuracy()[1:]
    replicates = chosen.accuracies(weights)[1:] - control.accuracies(weights)[1:]
    return [
        estimate_from_replicates(float(value), own, weights=weights, level=level)
        for value, own in zip(values, replicates, strict=True)
    ]


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
    values = [curve.area() for curve in (first, second)]
    if not np.isfinite(values).all():
        reason = "no answer is right without intervention"
        return Difference(Estimate.undefined(reason), None, None)
    one, two = (
        _area_influence(curve, value) for curve, value in zip((first, second), values, strict=True)
    )
    return difference_of_influences(values[0] - values[1], one - two, group, level=level)


def _area_influence(curve: DoseResponse, value: float) -> FloatArray:
    """Return the influence of each sample on the area."""
    outcomes = np.column_stack([curve.clean, curve.correct]).astype(np.float64)
    width = np.diff(curve.doses, prepend=0.0)
    whole = (outcomes[:, 1:] + outcomes[:, :-1]) / 2 @ width / curve.doses[-1]
    influence: FloatArray = (whole - value * curve.clean) / curve.clean.sum()
    return influence


def _area(doses: FloatArray, accuracy: FloatArray) -> FloatArray:
    """Normalised area per column of accuracies at dose 0 and at each dose; NaN without a start."""
    width = np.diff(doses, prepend=0.0)
    mean = (accuracy[1:] + accuracy[:-1]) / 2
    whole = np.tensordot(width, mean, axes=1)
    start = accuracy[0] * doses[-1]
    return np.divide(whole, start, out=np.full_like(whole, np.nan), where=start > 0)


def _crossing(doses: FloatArray, accuracy: FloatArray, drop: float) -> FloatArray:
    """First dose at which each column has fallen by ``drop``; infinity where none has."""
    x = np.append(0.0, doses)
    target = accuracy[0] - drop
    below = accuracy <= target + 1e-9  # a fall of exactly `drop` counts, whatever the rounding
    first = below.argmax(axis=0)
    columns = np.arange(accuracy.shape[1])
    before, after = accuracy[first - 1, columns], accuracy[first, columns]
    share = np.clip((before - target) / np.where(before > after, before - after, 1.0), 0.0, 1.0)
    found = x[first - 1] + share * (x[first] - x[first - 1])
    crossing: FloatArray = np.where(below.any(axis=0), found, np.inf)
    return crossing
