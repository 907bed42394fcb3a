"""How likely the samples are, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from metrics.answers.counts import answer_counts
from metrics.core.checks import same_length
from metrics.errors import UndefinedMetricError


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
    meanings: dict[object, list[float]] = {}
    for place, (sample, logprob) in enumerate(zip(samples, logprobs, strict=True)):
        meanings.setdefault(sample or place, []).append(float(logprob))
    masses = np.array([logsumexp(own) for own in meanings.values()])
    if not np.isfinite(masses).any():
        raise UndefinedMetricError("no sample has any probability")
    shares = masses - logsumexp(masses)
    shares = shares[np.isfinite(shares)]
    return max(0.0, -float((np.exp(shares) * shares).sum()))
