"""The cluster count over a grid of its two arbitrary choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import IntArray, refuse
from metrics.maps.attention import cluster_count

EPSILONS = (1.0, 1.5, 2.0, 3.0)
SHARES = (0.05, 0.10, 0.20, 0.30)


def cluster_count_grid(
    attention: ArrayLike,
    *,
    epsilons: Sequence[float] = EPSILONS,
    shares: Sequence[float] = SHARES,
    min_samples: int = 3,
) -> IntArray:
    r"""Cluster count for every radius and every share of cells.

    .. math:: C_{ij} = C_k(M;\ \epsilon_i, \mathrm{share}_j)

    with :math:`C_k` of `cluster_count`: a conclusion about clusters that holds for one radius and
    one percentile only is no conclusion. Lower means more concentrated attention. Range: integers
    >= 0.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights.
    epsilons : sequence of float, default 1, 1.5, 2, 3
        Radii in cells.
    shares : sequence of float in (0, 1], default 5, 10, 20 and 30 %
        Shares of cells that are clustered; a share of 10 % is the 90th percentile.
    min_samples : int, default 3
        As in `cluster_count`.

    Returns
    -------
    int64 array, shape (len(epsilons), len(shares))
        Counts.

    Raises
    ------
    UndefinedMetricError
        If the map is constant.
    ValueError
        If there is no radius or no share, or one is out of range.

    References
    ----------
    arXiv 2606.17389, eq. 2, fixes 1.5 and 10 %; the grid is ours.

    Examples
    --------
    >>> attention = np.zeros((8, 8))
    >>> attention[0, 0:3] = attention[0, 5:8] = 1.0
    >>> cluster_count_grid(attention, epsilons=(1.5, 3.0), shares=(0.1,)).tolist()
    [[2], [1]]
    """
    if not len(epsilons) or not len(shares):
        raise refuse("cluster_count_grid", "epsilons, shares", "not empty", "none")
    counts = [
        [
            cluster_count(attention, share=share, eps=eps, min_samples=min_samples)
            for share in shares
        ]
        for eps in epsilons
    ]
    return np.array(counts, dtype=np.int64)
