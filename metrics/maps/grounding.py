"""How well a map over the image grid agrees with an annotated region, and the maps to beat.

A region is the share of each cell that lies inside it, so objects smaller than a cell count for
what they cover. The scores of `uniform_map` are the chance levels of a region of that area.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import FloatArray, at_least, between, finite_array, refuse, unit_scaled
from metrics.errors import UndefinedMetricError
from metrics.maps.weights import weights_of


def pointing_game(attention: ArrayLike, region: ArrayLike) -> float:
    r"""Chance that a point drawn from the map's peak lies inside the region.

    .. math:: \frac{1}{|P|} \sum_{i \in P} r_i, \qquad P = \{i : a_i = \max_j a_j\}

    with :math:`r_i` the share of cell :math:`i` inside: tied peaks count by expectation, and a peak
    cell that the region cuts counts in part. A uniform map scores the region's share of the grid.
    Higher means better alignment. Range: :math:`[0, 1]`.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights; need not sum to 1.
    region : float array, shape (height, width)
        Share of each cell inside the region, in [0, 1].

    Returns
    -------
    float
        0 or 1 for a single peak in a cell wholly outside or inside.

    Raises
    ------
    UndefinedMetricError
        If the map sums to zero or the region is empty.
    ValueError
        If a weight is negative or not finite, a share is outside [0, 1], or shapes differ.

    References
    ----------
    Zhang et al. (2016), arXiv 1608.00507; the expectation over ties and cut cells is ours.

    Examples
    --------
    >>> pointing_game([[3.0, 1.0], [3.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]])
    0.5
    """
    a, r = _checked("pointing_game", attention, region)
    return float(r[a == a.max()].mean())


def mass_inside(attention: ArrayLike, region: ArrayLike) -> float:
    r"""Share of the map's mass that lies inside the region.

    .. math:: \frac{\sum_i a_i r_i}{\sum_i a_i}

    with :math:`r_i` the share of cell :math:`i` inside; mass is taken to be even within a cell. A
    uniform map scores the region's share of the grid. Higher means better alignment. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights; need not sum to 1.
    region : float array, shape (height, width)
        Share of each cell inside the region, in [0, 1].

    Returns
    -------
    float
        1 if all mass is inside.

    Raises
    ------
    UndefinedMetricError
        If the map sums to zero or the region is empty.
    ValueError
        If a weight is negative or not finite, a share is outside [0, 1], or shapes differ.

    References
    ----------
    Method §6; also called energy-based pointing game (Wang et al. 2020, arXiv 1910.01279).

    Examples
    --------
    >>> mass_inside([[3.0, 1.0], [0.0, 0.0]], [[0.5, 1.0], [0.0, 0.0]])
    0.625
    """
    a, r = _checked("mass_inside", attention, region)
    return float((a * r).sum() / a.sum())


def peak_weighted_iou(attention: ArrayLike, region: ArrayLike) -> float:
    r"""Intersection over union of the region with the map scaled to a peak of 1.

    .. math:: \frac{\sum_i \min(b_i, r_i)}{\sum_i \max(b_i, r_i)}, \qquad b = a / \max_j a_j

    with :math:`r_i` the share of cell :math:`i` inside. A uniform map scores the region's share of
    the grid. Higher means better alignment. Range: :math:`[0, 1]`.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights; need not sum to 1.
    region : float array, shape (height, width)
        Share of each cell inside the region, in [0, 1].

    Returns
    -------
    float
        1 for a map that is the region.

    Raises
    ------
    UndefinedMetricError
        If the map sums to zero or the region is empty.
    ValueError
        If a weight is negative or not finite, a share is outside [0, 1], or shapes differ.

    References
    ----------
    Method §6 (ours): the Jaccard index of two fuzzy sets.

    Examples
    --------
    >>> peak_weighted_iou([[4.0, 2.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]])
    0.6666666666666666
    """
    a, r = _checked("peak_weighted_iou", attention, region)
    b = a / a.max()
    return float(np.minimum(b, r).sum() / np.maximum(b, r).sum())


def top_share_iou(attention: ArrayLike, region: ArrayLike, *, share: float = 0.10) -> float:
    r"""Intersection over union of the region with the most attended cells.

    .. math:: \frac{\sum_i t_i r_i}{\sum_i (t_i + r_i - t_i r_i)}, \qquad \sum_i t_i = k
        = \lceil \mathrm{share} \cdot S \rceil

    with :math:`r_i` the share of cell :math:`i` inside and :math:`t_i` = 1 for the top cells; cells
    that tie for the last places share them evenly. A uniform map therefore scores
    :math:`q a / (q + a - q a)` for a region of area :math:`a` and :math:`q = k / S`. Higher means
    better alignment. Range: :math:`[0, 1]`.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights; need not sum to 1.
    region : float array, shape (height, width)
        Share of each cell inside the region, in [0, 1].
    share : float in (0, 1], default 0.10
        Share of *cells* taken.

    Returns
    -------
    float
        At most min(k, region) / max(k, region), areas in cells.

    Raises
    ------
    UndefinedMetricError
        If the map sums to zero or the region is empty.
    ValueError
        If a weight is negative or not finite, a share is outside its range, or shapes differ.

    References
    ----------
    Method §6; the treatment of ties is ours.

    Examples
    --------
    >>> top_share_iou([[4.0, 2.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]], share=0.25)
    0.5
    """
    between("top_share_iou", "share", share, 0, 1)
    a, r = _checked("top_share_iou", attention, region)
    k = max(1, math.ceil(share * a.size - 1e-9))
    last = np.partition(a, a.size - k, axis=None)[a.size - k]
    above, tied = a > last, a == last
    t = above + tied * ((k - above.sum()) / tied.sum())
    inside = (t * r).sum()
    return float(inside / (t.sum() + r.sum() - inside))


def uniform_map(height: int, width: int) -> FloatArray:
    r"""The map that looks everywhere alike: its scores are the chance levels.

    .. math:: u_{ij} = \frac{1}{\mathrm{height} \cdot \mathrm{width}}

    No direction. Range: sums to 1.

    Parameters
    ----------
    height, width : int
        Of the grid.

    Returns
    -------
    float array, shape (height, width)

    Raises
    ------
    ValueError
        If a side is below 1.

    References
    ----------
    Method §6.

    Examples
    --------
    >>> uniform_map(1, 2).tolist()
    [[0.5, 0.5]]
    """
    at_least("uniform_map", "height, width", min(height, width), 1)
    return np.full((height, width), 1.0 / (height * width))


def center_prior_map(height: int, width: int, *, sigma: float = 0.25) -> FloatArray:
    r"""The map that looks at the middle whatever is asked: photographs are taken that way.

    .. math:: c_{ij} \propto \exp\left(-\frac{x_j^2 + y_i^2}{2 \sigma^2}\right)

    with :math:`x_j, y_i \in (-\tfrac12, \tfrac12)` the cell centres relative to the middle, in
    units of the sides. No direction. Range: sums to 1.

    Parameters
    ----------
    height, width : int
        Of the grid.
    sigma : float, default 0.25
        Width of the Gaussian in units of each side.

    Returns
    -------
    float array, shape (height, width)

    Raises
    ------
    ValueError
        If a side is below 1 or ``sigma`` is not positive.

    References
    ----------
    Method §6; the width is ours.

    Examples
    --------
    >>> center_prior_map(1, 3).round(3).tolist()
    [[0.226, 0.549, 0.226]]
    """
    at_least("center_prior_map", "height, width", min(height, width), 1)
    if not 0 < sigma < math.inf:
        raise refuse("center_prior_map", "sigma", "finite and > 0", sigma)
    y, x = ((np.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    square = y[:, None] ** 2 + x[None, :] ** 2
    with np.errstate(over="ignore"):  # the cells next to the middle stay, however narrow it is
        c: FloatArray = np.exp(-(((square - square.min()) / sigma) / (2 * sigma)))
    distribution: FloatArray = c / c.sum()
    return distribution


def _checked(
    function: str, attention: ArrayLike, region: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    a = weights_of(function, "attention", attention, (2,))
    r = finite_array(function, "region", region, ndim=2)
    if a.shape != r.shape:
        raise refuse(function, "region", f"of the map's shape {a.shape}", r.shape)
    if r.size and (r.min() < 0 or r.max() > 1):
        raise refuse(function, "region", "in [0, 1]", f"{r.min():g} … {r.max():g}")
    if not r.sum() > 0:
        raise UndefinedMetricError("the region covers no part of the grid")
    if not a.max() > 0:
        raise UndefinedMetricError("the map sums to zero")
    return unit_scaled(a), r
