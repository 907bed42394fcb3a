"""Uncertainty as the shape of the graph that samples make by their similarities."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.answers.laplacian import eccentricity_of, eigenvalue_sum_of
from metrics.answers.word_overlap import similarity_matrix


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
    return eigenvalue_sum_of(similarity_matrix("laplacian_eigenvalue_sum", samples))


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
    return eccentricity_of(similarity_matrix("eccentricity", samples))
