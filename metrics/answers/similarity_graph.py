"""Uncertainty as the shape of the graph that samples make by their similarities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.answers.word_overlap import similarity_matrix
from metrics.core.checks import FloatArray

KEPT_BELOW = 0.9  # eigenvalues of the directions that the eccentricity is taken in


def laplacian_eigenvalue_sum(samples: Sequence[str]) -> float:
    r"""Soft number of meanings among the samples: what the Laplacian's eigenvalues lack of 1.

    .. math:: U_{EigV} = \sum_k \max(0, 1 - \lambda_k), \qquad
        L = I - D^{-1/2} S D^{-1/2}

    with :math:`S` the ROUGE-L of every pair (1 on the diagonal) and :math:`D` its row sums. Where
    answers are equal or share no word it is their number, `n_distinct`. Lower means more likely
    correct (the signal is its negative). Range: :math:`[1, K]`.

    Parameters
    ----------
    samples : sequence of str, length K >= 2
        Normalised answers.

    Returns
    -------
    float
        A number of groups.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or all of them are empty.

    References
    ----------
    Lin et al. (2024), arXiv 2305.19187, :math:`U_{EigV}`; similarity by words instead of by
    entailment.

    Examples
    --------
    >>> round(laplacian_eigenvalue_sum(["cat", "cat", "dog"]), 6)
    2.0
    """
    values = np.linalg.eigvalsh(_laplacian("laplacian_eigenvalue_sum", samples))
    return float(np.clip(1 - values, 0, None).sum())


def eccentricity(samples: Sequence[str]) -> float:
    r"""How far the samples lie from their centre in the leading directions of their graph.

    .. math:: U_{Ecc} = \big\| [v_1 - \bar v, \dots, v_K - \bar v] \big\|_2

    with :math:`v_j` the entries of sample j in the Laplacian's eigenvectors of eigenvalues below
    0.9, and the norm that of all entries together. It does not depend on the choice of vectors
    among equal eigenvalues. C equal groups that share no word: :math:`\sqrt{C - 1}`. Lower means
    more likely correct (the signal is its negative). Range: :math:`[0, \sqrt{K - 1}]`.

    Parameters
    ----------
    samples : sequence of str, length K >= 2
        Normalised answers.

    Returns
    -------
    float
        A length.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or all of them are empty.

    References
    ----------
    Lin et al. (2024), arXiv 2305.19187, :math:`U_{Ecc}`, threshold of the published code;
    similarity by words instead of by entailment.

    Examples
    --------
    >>> round(eccentricity(["cat", "cat", "dog", "cow", "cow"]), 6)
    1.414214
    """
    values, vectors = np.linalg.eigh(_laplacian("eccentricity", samples))
    own = vectors[:, values < KEPT_BELOW]
    return float(np.linalg.norm(own - own.mean(axis=0)))


def _laplacian(function: str, samples: Sequence[str]) -> FloatArray:
    s = similarity_matrix(function, samples)
    root = 1 / np.sqrt(s.sum(axis=1))
    found: FloatArray = np.eye(len(s)) - root[:, None] * s * root
    return found
