"""Agreement among K sampled answers to one question.

Every function takes the K answers already normalised (`answers.normalize_answer`), so that two
answers agree exactly when their strings are equal. An empty string is no answer: it agrees with
nothing, not even with another empty one, and counts as a category of its own. Where all samples
are empty, or the answer they are compared with, there is nothing to agree on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metrics.answers.counts import answer_counts
from metrics.answers.subsets import majority_distribution
from metrics.core.checks import FloatArray
from metrics.errors import UndefinedMetricError


def majority_share(samples: Sequence[str]) -> float:
    r"""Share of the samples that give the commonest answer.

    .. math:: S_{SC} = \max_y \mathrm{count}(y) / K

    Higher means more likely correct. Range: :math:`[1/K, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.

    Returns
    -------
    float
        A share.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them are empty.

    References
    ----------
    arXiv 2606.17389, eq. 5.

    Examples
    --------
    >>> majority_share(["cat", "dog", "cat", "cow"])
    0.5
    """
    return max(answer_counts("majority_share", samples).values()) / len(samples)


def majority_answer(samples: Sequence[str]) -> str:
    r"""Return the commonest answer; among equals the one seen first.

    .. math:: \hat y = \arg\max_y \mathrm{count}(y)

    No direction: an answer, not a score. Range: one of the samples.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.

    Returns
    -------
    str
        The majority answer.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them are empty.

    References
    ----------
    Wang et al. (2023), arXiv 2203.11171; the rule for ties is ours.

    Examples
    --------
    >>> majority_answer(["dog", "cat", "cat", "dog"])
    'dog'
    """
    return str(answer_counts("majority_answer", samples).most_common(1)[0][0])


def answer_agreement(samples: Sequence[str], answer: str) -> float:
    r"""Share of the samples that equal the scored answer.

    .. math:: \mathrm{count}(\hat y_{greedy}) / K

    with the scored (greedy) answer, whose correctness is the label. Higher means more likely
    correct. Range: :math:`[0, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.
    answer : str
        The scored answer, normalised alike.

    Returns
    -------
    float
        A share.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them, or the answer, are empty.

    References
    ----------
    Method §3 (ours).

    Examples
    --------
    >>> answer_agreement(["cat", "dog", "cat", "cow"], "dog")
    0.25
    """
    counts = answer_counts("answer_agreement", samples)
    if not answer:
        raise UndefinedMetricError("the scored answer is empty: no sample can agree with it")
    return counts[answer] / len(samples)


def pairwise_agreement(samples: Sequence[str]) -> float:
    r"""Share of sample pairs that agree: unbiased for the chance that two draws are equal.

    .. math:: \sum_y c_y (c_y - 1) \, / \, K (K - 1)

    with :math:`c_y` the count of answer :math:`y`. Higher means more likely correct. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K >= 2
        Normalised answers.

    Returns
    -------
    float
        A share of pairs.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or all of them are empty.

    References
    ----------
    Simpson (1949), unbiased form.

    Examples
    --------
    >>> round(pairwise_agreement(["cat", "cat", "dog"]), 4)
    0.3333
    """
    counts, k = answer_counts("pairwise_agreement", samples), len(samples)
    if k < 2:
        raise UndefinedMetricError("pairwise agreement needs two samples, got 1")
    return sum(c * (c - 1) for c in counts.values()) / (k * (k - 1))


def n_distinct(samples: Sequence[str]) -> int:
    r"""Count the distinct answers among the samples.

    .. math:: |\{y_1, \dots, y_K\}|

    Lower means more likely correct (the signal is its negative). Range: integers :math:`[1, K]`.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.

    Returns
    -------
    int
        A count.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them are empty.

    References
    ----------
    Method §3.

    Examples
    --------
    >>> n_distinct(["cat", "dog", "cat"])
    2
    """
    return len(answer_counts("n_distinct", samples))


def discrete_semantic_entropy(samples: Sequence[str]) -> float:
    r"""Entropy of the answers' relative frequencies.

    .. math:: -\sum_y \frac{c_y}{K} \ln \frac{c_y}{K}

    with :math:`c_y` the count of answer :math:`y`. Lower means more likely correct (the signal is
    its negative). Range: :math:`[0, \ln K]`.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers; equality of strings stands for equality of meaning.

    Returns
    -------
    float
        Entropy in nats.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them are empty.

    References
    ----------
    Farquhar et al. (2024), Nature 630, discrete variant. Differs: clusters are equal strings,
    since answers here are short; no entailment model.

    Examples
    --------
    >>> round(discrete_semantic_entropy(["cat", "cat", "dog", "dog"]), 4)
    0.6931
    """
    counts, k = answer_counts("discrete_semantic_entropy", samples), len(samples)
    return sum(c / k * math.log(k / c) for c in counts.values())


def majority_share_at_k(samples: Sequence[str]) -> FloatArray:
    r"""Mean majority share of k = 2 … K of the samples, over all subsets.

    .. math:: \binom{K}{k}^{-1} \sum_{|A| = k} \max_y \mathrm{count}_A(y) / k

    What k samples are expected to show of this question. It is no signal that k samples give: a
    mean over subsets uses all K, so for what k samples tell of right and wrong answers take
    `auroc_by_k`. Higher means more likely correct. Range: each in :math:`[1/k, 1]`.

    Parameters
    ----------
    samples : sequence of str, length K >= 2
        Normalised answers of one K-run.

    Returns
    -------
    float array, shape (K - 1,)
        Entry i belongs to k = i + 2; the last equals `majority_share`.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or all of them are empty.

    References
    ----------
    Method §3 (ours): arXiv 2606.17389 reports K = 10 only.

    Examples
    --------
    >>> majority_share_at_k(["cat", "cat", "dog"]).round(4).tolist()
    [0.6667, 0.6667]
    """
    counts, n = answer_counts("majority_share_at_k", samples), len(samples)
    if n < 2:
        raise UndefinedMetricError("majority share at k needs two samples, got 1")
    sizes = np.arange(1, n + 1)
    expected: FloatArray = majority_distribution(tuple(sorted(counts.values()))) @ sizes / sizes
    return expected[1:]
