"""What a stress test sees of the attention maps of one answer: eleven numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import share_of_one
from metrics.maps.attention import (
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from metrics.maps.weights import top_cells, weights_of

N_FEATURES = 11


def attention_features(layer_maps: ArrayLike, *, image_mass: float) -> dict[str, float]:
    r"""Eleven numbers that describe how a model looked at an image.

    .. math:: (H_s, H_s / \ln S, C_k, C_8, \max M, M_{10\%}, \mu, \Delta H, \min_{first} \Delta H,
        \Delta H_L, n_{re})

    of the mean map :math:`M` and of the entropies of the layers' maps: entropy (raw, normalised),
    clusters, components, peak, mass of the top 10 % cells, attention mass on the image, entropy
    of the last layer less the first, most negative difference of the first third (the lock), last
    difference, number of re-sharpenings. No direction: features of a classifier. Range: that of
    each quantity.

    Parameters
    ----------
    layer_maps : float array, shape (n_layers, height, width)
        Non-negative weights, at least two layers.
    image_mass : float
        Share of attention on the image before renormalising, mean over layers.

    Returns
    -------
    dict of str to float
        Always the same eleven names, in the same order.

    Raises
    ------
    UndefinedMetricError
        If a layer's map sums to zero, the mean map is constant or there is one layer only.
    ValueError
        If a weight is negative or not finite, or the image's mass is no share.

    References
    ----------
    arXiv 2606.17389 trains a classifier on attention features and names no list; this one is ours.

    Examples
    --------
    >>> maps = np.ones((3, 4, 4))
    >>> maps[:, 0, 0] = [2, 4, 8]
    >>> found = attention_features(maps, image_mass=0.3)
    >>> len(found), found["image_attention_mass"], found["cluster_count"]
    (11, 0.3, 0.0)
    """
    share_of_one("attention_features", "image_mass", image_mass, slack=1e-2)  # summed in bfloat16
    maps = weights_of("attention_features", "layer_maps", layer_maps, (3,))
    entropies = entropy_by_layer(maps)
    evolution = entropy_evolution(entropies)
    maps = np.ldexp(maps, -np.frexp(maps.max(axis=(1, 2), keepdims=True))[1])
    mean = (maps / maps.sum(axis=(1, 2), keepdims=True)).mean(axis=0)
    n_first = max(1, int(np.ceil(len(maps) / 3)) - 1)
    return {
        "spatial_entropy": spatial_entropy(mean),
        "spatial_entropy_normalized": spatial_entropy(mean, normalize=True),
        "cluster_count": float(cluster_count(mean)),
        "component_count": float(connected_component_count(mean)),
        "peak": float(mean.max()),
        "top_mass": float(mean[top_cells("attention_features", mean, 0.10)].sum()),
        "image_attention_mass": float(image_mass),
        "entropy_evolution": evolution.total,
        "lock_depth": float(evolution.deltas[:n_first].min()),
        "final_diffusion": evolution.final_diffusion,
        "resharpenings": float(evolution.n_resharpenings),
    }
