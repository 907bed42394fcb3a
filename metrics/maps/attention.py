"""Shape of an attention map over the image: how spread it is, and how many spots it has.

One map is (height, width), one run of maps through the layers is (n_layers, height, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from metrics.core.checks import FloatArray, finite_array, finite_differences, refuse
from metrics.errors import UndefinedMetricError
from metrics.maps.weights import entropies_of, top_cells, weights_of


@dataclass(frozen=True)
class EntropyEvolution:
    """How the entropy of attention moves through the layers; layers count from 0.

    ``deltas[l - 1]`` is :math:`H^{(l)} - H^{(l-1)}`. ``lock_layer`` and ``lock_depth`` (negative)
    are None when no layer of the first third sharpens.
    """

    deltas: FloatArray
    lock_layer: int | None
    lock_depth: float | None
    final_diffusion: float
    n_resharpenings: int

    @property
    def total(self) -> float:
        """Entropy at the last layer less entropy at the first."""
        return float(self.deltas.sum())


def spatial_entropy(attention: ArrayLike, *, normalize: bool = False, delta: float = 1e-9) -> float:
    r"""Shannon entropy of an attention map over image patches.

    .. math:: H_s = -\sum_i p_i \ln(p_i + \delta), \qquad p = a / \sum_i a_i

    with :math:`a` the weights of the :math:`S` cells. Lower means more concentrated attention.
    Range: :math:`[-\ln(1 + \delta), \ln S]`.

    Parameters
    ----------
    attention : float array, shape (height, width) or (n_cells,)
        Non-negative weights; need not sum to 1.
    normalize : bool, default False
        Divide by :math:`\ln S`, so that grids of different size compare.
    delta : float, default 1e-9
        Added inside the logarithm; 0 is legal and means 0 ln 0 = 0.

    Returns
    -------
    float
        Entropy in nats; without unit if ``normalize``.

    Raises
    ------
    UndefinedMetricError
        If the map sums to zero, or if ``normalize`` and there is a single cell.
    ValueError
        If a weight is negative or not finite.

    References
    ----------
    arXiv 2606.17389, eq. 3; the division by ln S is ours.

    Examples
    --------
    >>> round(spatial_entropy([[0.5, 0.5], [0.0, 0.0]]), 4)
    0.6931
    """
    if not 0 <= delta < math.inf:
        raise refuse("spatial_entropy", "delta", "finite and >= 0", delta)
    a = weights_of("spatial_entropy", "attention", attention, (1, 2))
    return float(entropies_of(a.reshape(1, -1), normalize=normalize, delta=delta)[0])


def cluster_count(
    attention: ArrayLike, *, share: float = 0.10, eps: float = 1.5, min_samples: int = 3
) -> int:
    r"""Number of separate spots among the most attended cells, by density clustering.

    .. math:: C_k = |\mathrm{DBSCAN}_{\epsilon, m}(\{(i, j) : M_{ij} \ge M_{(k)}\})|,
        \qquad k = \lceil \mathrm{share} \cdot S \rceil

    with :math:`M_{(k)}` the k-th largest of the :math:`S` cells; noise points are not counted.
    Cells tied with :math:`M_{(k)}` are all taken, except when that value is the map's minimum (its
    background), when none of them is: the count never depends on the order of cells. Lower means
    more concentrated attention. Range: integers :math:`[0, S / m]`, before ties.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights.
    share : float in (0, 1], default 0.10
        Share of *cells* (not of attention mass) that is clustered.
    eps : float, default 1.5
        Neighbourhood radius in cells; 1.5 includes diagonal neighbours.
    min_samples : int, default 3
        Cells within ``eps``, itself included, that make a cell a core point.

    Returns
    -------
    int
        Number of clusters.

    Raises
    ------
    UndefinedMetricError
        If the map is constant: it has no most attended cells.
    ValueError
        If a weight is negative or not finite, or an option is out of range.

    References
    ----------
    arXiv 2606.17389, eq. 2; the paper is silent about ties.

    Examples
    --------
    >>> import numpy as np
    >>> attention = np.zeros((8, 8))
    >>> attention[0, 0:3] = attention[6, 4:7] = 1.0
    >>> cluster_count(attention)
    2
    """
    if not 0 < eps < math.inf or min_samples < 1:
        raise refuse("cluster_count", "eps, min_samples", "> 0 and >= 1", f"{eps}, {min_samples}")
    cells = np.argwhere(top_cells("cluster_count", attention, share))
    near = cdist(cells, cells) <= eps
    core = near.sum(axis=1) >= min_samples
    # clusters of DBSCAN are the connected parts of its core points
    return int(connected_components(near[np.ix_(core, core)], directed=False)[0])


def connected_component_count(attention: ArrayLike, *, share: float = 0.10) -> int:
    r"""Number of 8-connected components among the most attended cells.

    .. math:: C_8 = |\mathrm{components}_8(\{(i, j) : M_{ij} \ge M_{(k)}\})|

    with the cells chosen as in `cluster_count`; a lone cell is a component. Lower means more
    concentrated attention. Range: integers :math:`[1, \lceil \mathrm{share} \cdot S \rceil]`,
    before ties.

    Parameters
    ----------
    attention : float array, shape (height, width)
        Non-negative weights.
    share : float in (0, 1], default 0.10
        Share of cells taken.

    Returns
    -------
    int
        Number of components.

    Raises
    ------
    UndefinedMetricError
        If the map is constant.
    ValueError
        If a weight is negative or not finite, or ``share`` is out of range.

    References
    ----------
    arXiv 2606.17389v1, figure 5 (a variant of eq. 2).

    Examples
    --------
    >>> import numpy as np
    >>> attention = np.zeros((8, 8))
    >>> attention[0, 0] = attention[1, 1] = attention[6, 4] = 1.0
    >>> connected_component_count(attention)
    2
    """
    mask = top_cells("connected_component_count", attention, share)
    return int(ndimage.label(mask, structure=np.ones((3, 3)))[1])


def entropy_by_layer(layer_maps: ArrayLike, *, normalize: bool = False) -> FloatArray:
    r"""Spatial entropy of each layer's map.

    .. math:: H^{(l)} = H_s(m^{(l)})

    with :math:`m^{(l)}` the map of layer :math:`l`, mean over heads. Lower means more concentrated
    attention. Range: each in :math:`[-\ln(1 + \delta), \ln S]`.

    Parameters
    ----------
    layer_maps : float array, shape (n_layers, height, width) or (n_layers, n_cells)
        Non-negative weights; each layer is renormalised.
    normalize : bool, default False
        Divide by :math:`\ln S`.

    Returns
    -------
    float array, shape (n_layers,)
        Entropies in nats.

    Raises
    ------
    UndefinedMetricError
        If a layer's map sums to zero.
    ValueError
        If a weight is negative or not finite.

    References
    ----------
    arXiv 2606.17389, section on attention evolution.

    Examples
    --------
    >>> entropy_by_layer([[1.0, 1.0], [3.0, 1.0]]).round(4).tolist()
    [0.6931, 0.5623]
    """
    a = weights_of("entropy_by_layer", "layer_maps", layer_maps, (2, 3))
    return entropies_of(a.reshape(len(a), -1), normalize=normalize, delta=1e-9)


def entropy_evolution(entropies: ArrayLike, *, min_drop: float = 0.1) -> EntropyEvolution:
    r"""Descriptors of how attention sharpens and diffuses through the layers.

    .. math:: \Delta H^{(l)} = H^{(l)} - H^{(l-1)}

    The lock is the most negative :math:`\Delta H` among layers below :math:`L / 3`. A re-sharpening
    is a maximal run of falling layers after them that falls by ``min_drop`` or more in all (ours:
    without a threshold every wiggle counts). No direction: a description, not a score. Range:
    differences in :math:`[-\ln S, \ln S]`.

    Parameters
    ----------
    entropies : float array, shape (n_layers,)
        From `entropy_by_layer`.
    min_drop : float, default 0.1
        Least total fall of a re-sharpening, in the unit of ``entropies``.

    Returns
    -------
    EntropyEvolution
        Differences and their descriptors.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two layers.
    ValueError
        If an entropy or a difference is not finite, or ``min_drop`` is negative.

    References
    ----------
    arXiv 2606.17389, section on attention evolution.

    Examples
    --------
    >>> found = entropy_evolution([6.0, 3.5, 4.0, 4.5, 4.0, 5.0])
    >>> found.lock_layer, found.lock_depth, found.final_diffusion, found.n_resharpenings
    (1, -2.5, 1.0, 1)
    """
    if not 0 <= min_drop < math.inf:
        raise refuse("entropy_evolution", "min_drop", "finite and >= 0", min_drop)
    h = finite_array("entropy_evolution", "entropies", entropies)
    if len(h) < 2:
        raise UndefinedMetricError(f"attention evolution needs two layers, got {len(h)}")
    deltas = finite_differences("entropy_evolution", "entropies", h[1:], h[:-1])
    n_first = max(1, math.ceil(len(h) / 3) - 1)
    lock = int(deltas[:n_first].argmin())
    locks = deltas[lock] < 0
    falling = np.minimum(deltas[n_first:], 0.0)
    runs, n_runs = ndimage.label(falling < 0)
    drops = -ndimage.sum_labels(falling, runs, np.arange(1, n_runs + 1)) if n_runs else np.zeros(0)
    return EntropyEvolution(
        deltas=deltas,
        lock_layer=lock + 1 if locks else None,
        lock_depth=float(deltas[lock]) if locks else None,
        final_diffusion=float(deltas[-1]),
        n_resharpenings=int((drops >= min_drop).sum()),
    )
