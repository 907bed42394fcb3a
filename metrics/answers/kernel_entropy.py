"""Entropy of what answers mean, where nearly alike counts as nearly one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import expm

from metrics.answers.matrices import enough, symmetric
from metrics.core.checks import refuse

HEAT = 0.3  # time of the heat kernel


def kernel_language_entropy(similarity: ArrayLike, *, time: float = HEAT) -> float:
    r"""Von Neumann entropy of the heat kernel of the graph of answers.

    .. math:: K = e^{-tL}, \quad \tilde K_{ij} = \frac{K_{ij}}{n \sqrt{K_{ii} K_{jj}}}, \quad
        -\mathrm{Tr}(\tilde K \ln \tilde K)

    with :math:`L = D - W` the Laplacian of the weights, the diagonal left out. Answers that are
    nearly alike count as nearly one, where `cluster_entropy` knows equal and different only. Lower
    means more likely correct (the signal is its negative). Range: :math:`[0, \ln n]`.

    Parameters
    ----------
    similarity : float array, shape (n, n)
        Weights in [0, 1], the same both ways; of entailment, those of `entailment_weights`.
    time : float, default 0.3
        t; the more, the wider a weight reaches.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two answers.
    ValueError
        If it is no symmetric matrix of values in [0, 1], or ``time`` is not positive.

    References
    ----------
    Nikitin et al. (2024), arXiv 2405.20003, the heat kernel.

    Examples
    --------
    >>> import numpy as np
    >>> round(kernel_language_entropy(np.eye(2)), 4)  # two answers that have nothing in common
    0.6931
    """
    weights = symmetric("kernel_language_entropy", similarity).copy()
    if not time > 0:
        raise refuse("kernel_language_entropy", "time", "> 0", f"{time:g}")
    enough(len(weights))
    np.fill_diagonal(weights, 0.0)
    kernel = expm(-time * (np.diag(weights.sum(axis=1)) - weights))
    scale = np.sqrt(np.diag(kernel))
    values = np.linalg.eigvalsh(kernel / np.outer(scale, scale) / len(weights))
    values = values[values > 0]
    return float(max(0.0, -(values * np.log(values)).sum()))
