"""How alike answers are as sequences of words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metrics.answers.counts import answer_counts
from metrics.answers.word_overlap import overlap, similarity_matrix
from metrics.errors import UndefinedMetricError


def lexical_overlap(first: str, second: str) -> float:
    r"""ROUGE-L of two answers: their longest common subsequence of words, as an F score.

    .. math:: s(a, b) = \frac{2 \, \mathrm{LCS}(a, b)}{|a| + |b|}

    in words parted by white space. Answers of one word: 1 if they are equal, else 0. Higher means
    more alike, and so more likely correct where one is the answer and one a sample. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    first, second : str
        Normalised answers; an empty one says nothing and is like no other, nor like itself.

    Returns
    -------
    float
        A similarity.

    References
    ----------
    Lin (2004), ROUGE, the F score with equal weights; the common subsequence by bit-parallel
    counting (Hyyrö 2004).

    Examples
    --------
    >>> lexical_overlap("a red bus", "a bus"), lexical_overlap("cat", "dog")
    (0.8, 0.0)
    """
    return overlap(first, second)


def lexical_similarity(samples: Sequence[str]) -> float:
    r"""Mean ROUGE-L over all pairs of samples.

    .. math:: \frac{2}{K (K - 1)} \sum_{i < j} s(y_i, y_j)

    Answers of one word: `pairwise_agreement`. Higher means more likely correct. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K >= 2
        Normalised answers.

    Returns
    -------
    float
        A mean similarity.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or all of them are empty.

    References
    ----------
    Fomicheva et al. (2020), arXiv 2005.10608; a baseline of arXiv 2305.19187.

    Examples
    --------
    >>> round(lexical_similarity(["a red bus", "a bus", "a bus"]), 4)
    0.8667
    """
    s = similarity_matrix("lexical_similarity", samples)
    pairs = s[np.triu_indices(len(s), 1)]
    return math.fsum(pairs) / pairs.size  # whatever the order


def answer_degree(samples: Sequence[str], answer: str) -> float:
    r"""Mean similarity of the samples to the scored answer: its degree in their graph.

    .. math:: \frac{1}{K} \sum_k s(\hat y, y_k)

    The papers' degree counts the node itself too, which ranks alike. Answers of one word:
    `answer_agreement`. Higher means more likely correct. Range: :math:`[0, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.
    answer : str
        The scored answer, normalised alike.

    Returns
    -------
    float
        A mean similarity.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them, or the answer, are empty.

    References
    ----------
    Lin et al. (2024), arXiv 2305.19187, :math:`C_{Deg}`, of the answer that is scored; similarity
    by words instead of by entailment.

    Examples
    --------
    >>> answer_degree(["a red bus", "a bus"], "a bus")
    0.9
    """
    answer_counts("answer_degree", samples)
    if not answer:
        raise UndefinedMetricError("the scored answer is empty: no sample can be like it")
    return math.fsum(lexical_overlap(answer, sample) for sample in samples) / len(samples)
