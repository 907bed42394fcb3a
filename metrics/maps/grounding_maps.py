"""Maps made from maps: what is systematic or inherited from earlier words is taken out.

A map is non-negative, over the cells of the image grid.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from metrics.core.checks import FloatArray, refuse, unit_exponent, unit_scaled
from metrics.errors import UndefinedMetricError
from metrics.maps.weights import weights_of


def boundary_filtered_map(attention: ArrayLike, boundary: ArrayLike) -> FloatArray:
    r"""What a map holds beyond the map of the structural tokens.

    .. math:: f_i = \max(0, p_i - \alpha q_i), \qquad
        \alpha = \frac{\sum_i p_i q_i}{\sum_i q_i^2}

    with :math:`p` and :math:`q` the two maps scaled to sum to 1: :math:`\alpha q` is the multiple
    of the boundary map nearest to :math:`p` by least squares. What is left is not rescaled, so a
    layer that only repeats the boundary map weighs little in a mean over layers. No direction.
    Range: each cell in :math:`[0, p_i]`.

    Parameters
    ----------
    attention : float array, shape (n_cells,)
        Non-negative weights, e.g. attention of a question's words in one layer.
    boundary : float array, shape (n_cells,)
        The same of tokens that attend alike whatever is asked: vision end, newline, chat markers.

    Returns
    -------
    float array, shape (n_cells,)

    Raises
    ------
    UndefinedMetricError
        If either map sums to zero.
    ValueError
        If a weight is negative or not finite, or shapes differ.

    References
    ----------
    arXiv 2606.23763 removes the boundary markers' bias and gives words only; this operation is
    ours (docs/grounding.md).

    Examples
    --------
    >>> boundary_filtered_map([0.7, 0.1, 0.2], [0.4, 0.2, 0.4]).round(3).tolist()
    [0.278, 0.0, 0.0]
    """
    a = weights_of("boundary_filtered_map", "attention", attention, (1,))
    b = weights_of("boundary_filtered_map", "boundary", boundary, (1,))
    if a.shape != b.shape:
        raise refuse("boundary_filtered_map", "boundary", f"of shape {a.shape}", b.shape)
    a, b = unit_scaled(a), unit_scaled(b)
    if not (a.sum() > 0 and b.sum() > 0):
        raise UndefinedMetricError("a map that sums to zero cannot be filtered")
    p, q = a / a.sum(), b / b.sum()
    return _remainder(p, q)


def context_free_activation(
    activation: ArrayLike, context: ArrayLike, relevance: ArrayLike
) -> FloatArray:
    r"""A token's activation map less the part that earlier tokens explain.

    .. math:: f_i = \max(0, a_i - \alpha c_i), \qquad
        c = \frac{\sum_t w_t A_t}{\sum_t w_t}, \qquad
        \alpha = \frac{\sum_i a_i c_i}{\sum_i c_i^2}

    with :math:`A_t` the map of context token :math:`t` and :math:`w_t` how strongly that position
    activates the explained token. No direction. Range: each cell in :math:`[0, a_i]`.

    Parameters
    ----------
    activation : float array, shape (n_cells,)
        Image tokens' states projected on the token's unembedding, negative values cut off.
    context : float array, shape (n_context, n_cells)
        The same for each earlier token.
    relevance : float array, shape (n_context,)
        The states of the earlier tokens projected on the explained token's unembedding, negative
        values cut off. Without any the activation is returned as it is.

    Returns
    -------
    float array, shape (n_cells,)

    Raises
    ------
    ValueError
        If a value is negative or not finite, or shapes do not fit.

    References
    ----------
    Li et al. (2025), Token Activation Map, arXiv 2506.23270: estimated causal inference.

    Examples
    --------
    >>> context_free_activation([2.0, 1.0], [[0.0, 2.0], [0.0, 0.0]], [3.0, 1.0]).tolist()
    [2.0, 0.0]
    """
    name = "context_free_activation"
    a = weights_of(name, "activation", activation, (1,))
    w = weights_of(name, "relevance", relevance, (1,))
    maps = weights_of(name, "context", context, (2,))
    if maps.shape != (len(w), len(a)):
        raise refuse(name, "context", f"of shape {(len(w), len(a))}", maps.shape)
    if not w.any():
        return a
    w = unit_scaled(w)
    return _remainder(a, w @ unit_scaled(maps) / w.sum())


def rank_gaussian_filter(activation: ArrayLike, *, size: int = 3) -> FloatArray:
    r"""Smooth a map by weighing the sorted values around each cell by their rank.

    .. math:: f = \frac{\sum_r g_r v_{(r)}}{\sum_r g_r}, \qquad
        g_r = \exp\left(-\frac{(r - m)^2}{2 (s / \bar v)^2}\right)

    with :math:`v_{(r)}` the values of the window in rising order, :math:`m` the middle rank, and
    :math:`s / \bar v` their coefficient of variation: the noisier a window, the more it is
    averaged, and outliers are kept out. No direction. Range: that of the map.

    Parameters
    ----------
    activation : float array, shape (height, width)
        Non-negative values; edges are mirrored.
    size : int, default 3
        Side of the window, odd.

    Returns
    -------
    float array, shape (height, width)

    Raises
    ------
    ValueError
        If a value is negative or not finite, or ``size`` is not odd.

    References
    ----------
    Li et al. (2025), Token Activation Map, arXiv 2506.23270.

    Examples
    --------
    >>> rank_gaussian_filter([[1.0, 1.0, 1.0], [1.0, 9.0, 1.0], [1.0, 1.0, 1.0]])[1, 1].round(3)
    np.float64(1.026)
    """
    a = weights_of("rank_gaussian_filter", "activation", activation, (2,))
    if size < 1 or size % 2 == 0:
        raise refuse("rank_gaussian_filter", "size", "odd and positive", size)
    padded = np.pad(unit_scaled(a), size // 2, mode="reflect")
    windows = sliding_window_view(padded, (size, size)).reshape(*a.shape, size * size)
    values = np.sort(windows, axis=-1)
    mean, deviation = values.mean(axis=-1), values.std(axis=-1)
    varies = (mean > 0) & (deviation > 1e-12 * mean)
    sigma = np.divide(deviation, mean, out=np.ones_like(mean), where=varies)
    distance = np.arange(size * size) - size * size // 2
    kernel = np.exp(-(distance**2) / (2 * sigma[..., None] ** 2))
    smooth = (values * kernel).sum(axis=-1) / kernel.sum(axis=-1)
    scaled: FloatArray = np.ldexp(np.where(varies, smooth, mean), unit_exponent(a))
    return scaled


def _remainder(values: FloatArray, explained: FloatArray) -> FloatArray:
    """Positive part of ``values`` less its least-squares multiple of ``explained``."""
    unit, explained = unit_scaled(values), unit_scaled(explained)
    square = float((explained**2).sum())
    alpha = float((unit * explained).sum()) / square if square > 0 else 0.0
    return np.ldexp(np.maximum(unit - alpha * explained, 0.0), unit_exponent(values))
