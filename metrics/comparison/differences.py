"""Whether one figure differs from another, and whether a difference could have been seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from metrics.core.checks import FloatArray, between, finite_array, refuse
from metrics.core.estimate import Estimate
from metrics.errors import UndefinedMetricError


@dataclass(frozen=True)
class Difference:
    r"""A paired difference, its two-sided p-value, and the smallest one it could have seen.

    ``degrees`` are those of Student's t; None for a normal test. ``support`` is how many images
    the standard error rests on, :math:`(\sum_g S_g^2)^2 / \sum_g S_g^4` of the sums of influence:
    a third of them where these are normal, k where only k of many images differ.
    """

    estimate: Estimate
    p_value: float | None
    smallest_detectable: float | None
    degrees: float | None = None
    support: float | None = None


def smallest_detectable_difference(
    stderr: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    degrees: float | None = None,
    margin: float = 0.0,
) -> float:
    r"""True difference that the two-sided test beyond a margin would have found with this power.

    .. math:: m + (t_{1 - \alpha/2} + t_{power}) \cdot SE

    with :math:`m` the margin (0: "is there a difference?"), :math:`SE` the standard error of the
    difference and normal quantiles without ``degrees``. Lower means a finer comparison. Range:
    :math:`(m, \infty)`.

    Parameters
    ----------
    stderr : float
        Standard error, positive.
    power : float in (alpha, 1), default 0.8
        Chance of finding it.
    alpha : float in (0, 1), default 0.05
        Level of the test.
    degrees : float, optional
        Degrees of freedom of the standard error; normal without.
    margin : float >= 0, default 0.0
        What the difference has to exceed.

    Returns
    -------
    float
        In the unit of ``stderr``.

    Raises
    ------
    ValueError
        If ``stderr`` is not positive or an option is out of range.

    References
    ----------
    Cohen (1988), Statistical Power Analysis.

    Examples
    --------
    >>> round(smallest_detectable_difference(0.01), 4)
    0.028
    """
    function = "smallest_detectable_difference"
    if not stderr > 0:
        raise refuse(function, "stderr", "> 0", stderr)
    between(function, "alpha", alpha, 0, 1 - 1e-12)
    between(function, "power", power, alpha, 1 - 1e-12)  # no difference at all has power alpha
    if not margin >= 0:
        raise refuse(function, "margin", ">= 0", margin)
    if math.inf in (stderr, margin):
        raise refuse(function, "stderr, margin", "finite", f"{stderr}, {margin}")
    if degrees is not None and not degrees > 0:
        raise refuse(function, "degrees", "> 0", degrees)
    quantiles = student.ppf([1 - alpha / 2, power], math.inf if degrees is None else degrees)
    return margin + float(quantiles.sum()) * stderr


def holm(p_values: ArrayLike) -> FloatArray:
    r"""P-values adjusted for declared gates: any false alarm among them is rarer than alpha.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    over the :math:`m` values in rising order. No direction. Range: :math:`[0, 1]`.

    Parameters
    ----------
    p_values : float array, shape (m,)
        One per gate.

    Returns
    -------
    float array, shape (m,)
        Adjusted, in the order given.

    Raises
    ------
    UndefinedMetricError
        If there are none.
    ValueError
        If a value is outside [0, 1].

    References
    ----------
    Holm (1979), Scand. J. Statistics 6.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _checked("holm", p_values)
    order = np.argsort(p)
    steps = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(1, steps)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    r"""P-values adjusted for a screen: the expected share of false finds is at most alpha.

    .. math:: \tilde p_{(i)} = \min_{j \ge i} \min(1, m \, p_{(j)} / j)

    over the :math:`m` values in rising order. No direction. Range: :math:`[0, 1]`.

    Parameters
    ----------
    p_values : float array, shape (m,)
        One per signal, layer and task screened.

    Returns
    -------
    float array, shape (m,)
        Adjusted, in the order given.

    Raises
    ------
    UndefinedMetricError
        If there are none.
    ValueError
        If a value is outside [0, 1].

    References
    ----------
    Benjamini and Hochberg (1995), JRSS B 57.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.04, 0.04]
    """
    return np.asarray(false_discovery_control(_checked("benjamini_hochberg", p_values)))


def _checked(function: str, p_values: ArrayLike) -> FloatArray:
    p = finite_array(function, "p_values", p_values)
    if not p.size:
        raise UndefinedMetricError("no p-values")
    if p.min() < 0 or p.max() > 1:
        raise refuse(function, "p_values", "in [0, 1]", f"{p.min():g} … {p.max():g}")
    return p
