"""How much of an answer's certainty comes from the part of the image that was looked at most."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.answers.generation import mean_entropy
from metrics.core.checks import finite_array, refuse
from metrics.errors import UndefinedMetricError

CORE_SHARE = 0.6  # of the image tokens
ALPHA = 0.5
MIDDLE = (10 / 32, 25 / 32)  # of the layers: 10 to 24 of LLaVA-1.5-7B's 32


def core_of(weights: ArrayLike, *, share: float = CORE_SHARE) -> NDArray[np.bool_]:
    r"""Image tokens that the answer attends to most: the core of the image.

    Those with the largest mean weight over the middle layers, 10/32 to 25/32 of the depth; a layer
    without attention (NaN) is left out. No direction. Range: booleans.

    Parameters
    ----------
    weights : float array, shape (n_layers, n_tokens)
        Attention of the answer-side positions to the image tokens, mean over heads and positions.
    share : float, default 0.6
        Of the tokens that belong to the core; one at least.

    Returns
    -------
    bool array, shape (n_tokens,)

    Raises
    ------
    UndefinedMetricError
        If no middle layer attends.
    ValueError
        If ``weights`` is no table, or ``share`` is outside (0, 1].

    References
    ----------
    VAUQ (2026), arXiv 2602.21054, in its code's defaults; its scripts choose the share on each
    benchmark, which would be tuned on the test set.

    Examples
    --------
    >>> core_of([[0.1, 0.4, 0.2, 0.3]], share=0.5).tolist()
    [False, True, False, True]
    """
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise refuse("core_of", "weights", "(n_layers, n_tokens)", f"shape {table.shape}")
    if not 0 < share <= 1:
        raise refuse("core_of", "share", "in (0, 1]", f"{share:g}")
    first, last = (round(part * len(table)) for part in MIDDLE)
    middle = table[min(first, len(table) - 1) : max(last, first + 1)]
    attending = middle[~np.isnan(middle).any(axis=1)]
    if not len(attending):
        raise UndefinedMetricError("no layer in the middle attends to the image")
    mean = attending.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    core = np.zeros(mean.size, dtype=bool)
    core[order[: max(1, int(mean.size * share))]] = True
    return core


def core_information(entropies: ArrayLike, without_core: ArrayLike) -> float:
    r"""How much less certain the same answer is once the core of the image is hidden.

    .. math:: H(y \mid I_{\setminus core}) - H(y \mid I)

    with :math:`H` the mean entropy over the answer's steps. Higher means more likely correct.
    Range: :math:`[-\ln V, \ln V]`.

    Parameters
    ----------
    entropies, without_core : float array, shape (n_tokens,)
        Of the distribution that each answer token comes from, in nats.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        If an entropy is negative or not finite, or they are not as many.

    References
    ----------
    VAUQ (2026), arXiv 2602.21054: the Image-Information Score.

    Examples
    --------
    >>> core_information([0.5, 0.5], [1.0, 0.75])
    0.375
    """
    h = finite_array("core_information", "entropies", entropies)
    without = finite_array("core_information", "without_core", without_core)
    if h.shape != without.shape:
        raise refuse("core_information", "without_core", f"{h.size} values", f"{without.size}")
    return mean_entropy(without) - mean_entropy(h)


def vision_aware_uncertainty(
    entropies: ArrayLike, without_core: ArrayLike, *, alpha: float = ALPHA
) -> float:
    r"""Entropy of the answer, less what hiding the core of the image adds to it.

    .. math:: H(y \mid I) - \alpha \, (H(y \mid I_{\setminus core}) - H(y \mid I))

    Lower means more likely correct (the signal is its negative). Range: unbounded.

    Parameters
    ----------
    entropies, without_core
        As in `core_information`.
    alpha : float, default 0.5
        Weight of the second term; the default of the paper's code.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        As in `core_information`.

    References
    ----------
    VAUQ (2026), arXiv 2602.21054.

    Examples
    --------
    >>> vision_aware_uncertainty([0.5, 0.5], [1.0, 1.0])
    0.25
    """
    return mean_entropy(entropies) - alpha * core_information(entropies, without_core)
