"""Agreement of answers by what they mean, from similarities that another model has given.

A matrix compares n answers, the scored one and its samples: ``entails[i, j]`` is the probability
that answer i entails answer j, ``contradicts[i, j]`` that it contradicts it, and a similarity is
the same both ways. Where they come from is no matter here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.answers.matrices import enough, probabilities, square, symmetric
from metrics.core.checks import FloatArray

ALIKE = 0.9  # similarity from which on answers mean the same
Labels = NDArray[np.int64]


def entailment_clusters(entails: ArrayLike, contradicts: ArrayLike) -> Labels:
    r"""Group answers that entail each other.

    Each answer joins the first group whose first answer entails it and is entailed by it, where
    entailment is the likeliest of entailment, contradiction and neither; else it begins one. No
    direction: labels. Range: :math:`0 \ldots n - 1`.

    Parameters
    ----------
    entails, contradicts : float array, shape (n, n)
        Probabilities, of row to column.

    Returns
    -------
    int array, shape (n,)
        Group of each answer, numbered as they begin.

    Raises
    ------
    UndefinedMetricError
        If there is no answer.
    ValueError
        If they are no square matrices of probabilities that sum to at most 1.

    References
    ----------
    Kuhn et al. (2023), arXiv 2302.09664, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> e = [[1, 0.9, 0.1], [0.8, 1, 0.2], [0.1, 0.2, 1]]
    >>> entailment_clusters(e, np.zeros((3, 3))).tolist()
    [0, 0, 1]
    """
    e, c = probabilities("entailment_clusters", entails, contradicts)
    likeliest = (e > c) & (e > 1 - e - c)
    return _greedy(likeliest & likeliest.T)


def similarity_clusters(similarity: ArrayLike, *, alike: float = ALIKE) -> Labels:
    r"""Group answers by a similarity: as `entailment_clusters`, joined from a threshold on.

    No direction: labels. Range: :math:`0 \ldots n - 1`.

    Parameters
    ----------
    similarity : float array, shape (n, n)
        In [0, 1], the same both ways.
    alike : float, default 0.9
        Least similarity of answers that mean the same.

    Returns
    -------
    int array, shape (n,)

    Raises
    ------
    UndefinedMetricError
        If there is no answer.
    ValueError
        If it is no symmetric matrix of values in [0, 1].

    References
    ----------
    Ours, after arXiv 2302.09664.

    Examples
    --------
    >>> similarity_clusters([[1, 0.95, 0.1], [0.95, 1, 0.2], [0.1, 0.2, 1]]).tolist()
    [0, 0, 1]
    """
    return _greedy(symmetric("similarity_clusters", similarity) >= alike)


def cluster_entropy(labels: ArrayLike) -> float:
    r"""Entropy of the distribution of answers over groups of one meaning.

    .. math:: -\sum_c \frac{n_c}{n} \ln \frac{n_c}{n}

    Lower means more likely correct (the signal is its negative). Range: :math:`[0, \ln n]`.

    Parameters
    ----------
    labels : int array, shape (n,)
        From `entailment_clusters` or `similarity_clusters`, of the samples.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two answers.

    References
    ----------
    Farquhar et al., Nature 2024 (discrete semantic entropy).

    Examples
    --------
    >>> round(cluster_entropy([0, 0, 1, 1]), 4)
    0.6931
    """
    _, counts = np.unique(np.asarray(labels), return_counts=True)
    n = int(counts.sum())
    enough(n)
    p = counts / n
    return float(max(0.0, -(p * np.log(p)).sum()))


def entailment_weights(entails: ArrayLike, contradicts: ArrayLike) -> FloatArray:
    r"""How near answers are by entailment: neither entailment nor contradiction counts half.

    .. math:: \tfrac12 (s_{ij} + s_{ji}), \quad s = p_e + \tfrac12 (1 - p_e - p_c)

    Higher means nearer. Range: :math:`[0, 1]`.

    Parameters
    ----------
    entails, contradicts : float array, shape (n, n)
        As in `entailment_clusters`.

    Returns
    -------
    float array, shape (n, n)

    Raises
    ------
    UndefinedMetricError
        If there is no answer.
    ValueError
        As in `entailment_clusters`.

    References
    ----------
    Nikitin et al. (2024), arXiv 2405.20003, whose weights are twice these.

    Examples
    --------
    >>> entailment_weights([[1, 0.5], [0.7, 1]], [[0, 0.1], [0.3, 0]]).round(3).tolist()
    [[1.0, 0.7], [0.7, 1.0]]
    """
    e, c = probabilities("entailment_weights", entails, contradicts)
    one_way = np.clip(e + (1 - e - c) / 2, 0.0, 1.0)
    both: FloatArray = (one_way + one_way.T) / 2
    return both


def mean_support(supports: ArrayLike) -> float:
    r"""How far answers support each other's statements.

    .. math:: \frac{1}{n (n - 1)} \sum_{i \neq j} s_{ij}

    with :math:`s_{ij}` the mean over the sentences of answer j of
    :math:`p_e / (p_e + p_c)`, answer i the premise. Higher means more likely correct. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    supports : float array, shape (n, n)
        Not necessarily the same both ways; the diagonal is not read.

    Returns
    -------
    float

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two answers.
    ValueError
        If it is no square matrix of values in [0, 1].

    References
    ----------
    Zhang et al. (2024), LUQ, arXiv 2403.20279; one minus this.

    Examples
    --------
    >>> mean_support([[1, 0.5], [0.7, 1]])
    0.6
    """
    s = square("mean_support", supports)
    enough(len(s))
    return float(s[~np.eye(len(s), dtype=bool)].mean())


def _greedy(same: NDArray[np.bool_]) -> Labels:
    """Each joins the first group whose first member it is the same as."""
    labels, firsts = np.empty(len(same), dtype=np.int64), list[int]()
    for answer in range(len(same)):
        found = next((group for group, first in enumerate(firsts) if same[first, answer]), None)
        if found is None:
            found = len(firsts)
            firsts.append(answer)
        labels[answer] = found
    return labels
