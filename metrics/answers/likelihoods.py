"""How likely the samples are, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from metrics.answers.counts import answer_counts
from metrics.answers.matrices import enough, symmetric
from metrics.core.checks import same_length
from metrics.errors import UndefinedMetricError

SAR_TEMPERATURE = 1e-3


def weighted_semantic_entropy(samples: Sequence[str], logprobs: NDArray[np.floating]) -> float:
    r"""Entropy over what the samples mean, each meaning weighted by how likely it was said.

    .. math:: -\sum_c P(c) \ln P(c), \qquad P(c) \propto \sum_{k \in c} p(y_k)

    with :math:`p(y_k)` of the whole sample under the raw distribution. A meaning is a normalised
    answer; an empty sample is one of its own. A sentence that was drawn twice counts twice, as in
    the published code. In nats, in :math:`[0, \ln K]`; lower means more likely correct.

    Parameters
    ----------
    samples : sequence of str, length K
        Normalised answers.
    logprobs : float array, shape (K,)
        Log-probability of each.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, all of them are empty, or none has any probability.
    ValueError
        If lengths differ.

    References
    ----------
    Kuhn et al. (2023), arXiv 2302.09664; Farquhar et al. (2024), Nature 630.

    Examples
    --------
    >>> round(weighted_semantic_entropy(["cat", "cat", "dog"], np.log([0.2, 0.1, 0.3])), 4)
    0.6931
    """
    answer_counts("weighted_semantic_entropy", samples)
    same_length("weighted_semantic_entropy", "logprobs", logprobs, len(samples))
    places = {sample: place for place, sample in reversed(list(enumerate(samples)))}
    labels = [places[sample] if sample else place for place, sample in enumerate(samples)]
    return weighted_cluster_entropy(labels, logprobs)


def weighted_cluster_entropy(labels: ArrayLike, logprobs: NDArray[np.floating]) -> float:
    r"""Entropy over groups of samples, each group weighted by how likely its samples are.

    .. math:: -\sum_c P(c) \ln P(c), \qquad P(c) \propto \sum_{k \in c} e^{\ell_k}

    Lower means more likely correct. Range: :math:`[0, \ln K]`, in nats.

    Parameters
    ----------
    labels : int array, shape (K,)
        Group of each sample.
    logprobs : float array, shape (K,)
        :math:`\ell_k`: of the whole sample, or its mean over the tokens, which is what the
        published code of semantic entropy takes.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or none has any probability.
    ValueError
        If lengths differ.

    References
    ----------
    Kuhn et al. (2023), arXiv 2302.09664; Farquhar et al. (2024), Nature 630.

    Examples
    --------
    >>> round(weighted_cluster_entropy([0, 0, 1], np.log([0.2, 0.1, 0.3])), 4)
    0.6931
    """
    group = np.asarray(labels)
    same_length("weighted_cluster_entropy", "logprobs", logprobs, len(group))
    if not len(group):
        raise UndefinedMetricError("no answers were sampled")
    wide = logprobs.astype(np.float64)
    masses = np.array([np.logaddexp.reduce(wide[group == own]) for own in np.unique(group)])
    if not np.isfinite(masses).any():
        raise UndefinedMetricError("no sample has any probability")
    shares = masses - np.logaddexp.reduce(masses)
    shares = shares[np.isfinite(shares)]
    return max(0.0, -float((np.exp(shares) * shares).sum()))


def sentence_sar(
    similarity: ArrayLike, logprobs: NDArray[np.floating], *, temperature: float = SAR_TEMPERATURE
) -> float:
    r"""Uncertainty of samples that are the more certain, the more likely their like are.

    .. math:: \frac1K \sum_j -\ln \Big( p(y_j) + \frac1t \sum_{k \neq j} s_{jk}\, p(y_k) \Big)

    Lower means more likely correct. Range: at least :math:`-\ln (1 + (K - 1) / t)`, in nats.

    Parameters
    ----------
    similarity : float array, shape (K, K)
        In [0, 1], the same both ways; the diagonal is not read.
    logprobs : float array, shape (K,)
        :math:`\ln p(y_k)` of each whole sample.
    temperature : float, default 0.001
        :math:`t`, the published one: what is alike counts a thousand times.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two samples, or one that neither is likely nor has any like it.
    ValueError
        If it is no symmetric matrix of values in [0, 1], or lengths differ.

    References
    ----------
    Duan et al. (2024), arXiv 2307.01379, equation 8 (sentence-level SAR).

    Examples
    --------
    >>> s = [[1, 0.5], [0.5, 1]]
    >>> round(sentence_sar(s, np.log([0.5, 0.25]), temperature=1), 4)
    0.5816
    """
    alike = symmetric("sentence_sar", similarity)
    same_length("sentence_sar", "logprobs", logprobs, len(alike))
    enough(len(alike))
    others = np.where(np.eye(len(alike), dtype=bool), 0.0, alike)
    wide = logprobs.astype(np.float64)
    with np.errstate(divide="ignore"):
        support = logsumexp(np.log(others) + wide, axis=1) - np.log(temperature)
    certain = np.logaddexp(wide, support)
    if not np.isfinite(certain).all():
        raise UndefinedMetricError("a sample has no probability, and none that is like it has")
    return -float(certain.mean())
