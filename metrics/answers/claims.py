"""How sure a model is of what an answer says, rather than of how it says it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.answers.matrices import within_one
from metrics.core.checks import same_length
from metrics.errors import UndefinedMetricError


def claim_log_probability(logprobs: ArrayLike, entails: ArrayLike, contradicts: ArrayLike) -> float:
    r"""Log-probability of an answer's claim, whatever words say it.

    .. math:: \sum_t \ln \frac{\sum_{k : e} p(x_t^k)}{\sum_{k : e \vee c} p(x_t^k)}

    over the alternatives k of token t of which entailment (e) or contradiction (c) is the likeliest
    verdict; those that are neither speak of something else and are left out. Higher means more
    likely correct. Range: at most 0.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens, m)
        Of each token's alternatives, the token itself among them.
    entails, contradicts : float array, shape (n_tokens, m)
        Probability that the answer up to the token, with the alternative in its place, entails or
        contradicts it as it is.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there is no token, or one of which no alternative says the same.
    ValueError
        If shapes differ, or probabilities are none.

    References
    ----------
    Fadeeva et al. (2024), arXiv 2403.04696 (CCP); the claim is the whole answer.

    Examples
    --------
    >>> p, e, c = [[0.5, 0.25, 0.125]], [[1, 0.1, 0.2]], [[0, 0.8, 0.1]]
    >>> round(claim_log_probability(np.log(p), e, c), 4)
    -0.4055
    """
    log_p = np.asarray(logprobs, dtype=np.float64)
    e, c = within_one("claim_log_probability", entails, contradicts)
    same_length("claim_log_probability", "logprobs", log_p, len(e))
    if not log_p.size:
        raise UndefinedMetricError("the answer is empty")
    p = np.exp(log_p)
    neither = 1 - e - c
    same = (e > c) & (e > neither)
    other = (c >= e) & (c > neither)
    kept, apart = (p * same).sum(axis=1), (p * other).sum(axis=1)
    if (kept <= 0).any():
        raise UndefinedMetricError("a token has no alternative that says the same")
    return float(np.log(kept / (kept + apart)).sum())


def relevant_log_probability(logprobs: ArrayLike, similarity: ArrayLike) -> float:
    r"""Log-probability of the answer's tokens, each by how much the answer changes without it.

    .. math:: \sum_t \tilde R_t \ln p(y_t), \qquad \tilde R_t = \frac{1 - s_t}{\sum_u 1 - s_u}

    Higher means more likely correct. Range: at most 0.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens,)
        Of the answer's tokens.
    similarity : float array, shape (n_tokens,)
        How alike the answer without the token is, in [0, 1].

    Returns
    -------
    float
        In nats.

    Raises
    ------
    UndefinedMetricError
        If there is no token, or none that is missed.
    ValueError
        If lengths differ, or a similarity is outside [0, 1].

    References
    ----------
    Duan et al. (2024), arXiv 2307.01379, equations 3 and 4 (token-level SAR).

    Examples
    --------
    >>> round(relevant_log_probability([-2.0, -1.0], [0.25, 0.75]), 4)
    -1.75
    """
    log_p = np.asarray(logprobs, dtype=np.float64)
    s, _ = within_one("relevant_log_probability", similarity, np.zeros(np.shape(similarity)))
    same_length("relevant_log_probability", "similarity", s, log_p.size)
    relevance = 1 - s
    if not relevance.sum() > 0:
        raise UndefinedMetricError("the answer has no token that is missed")
    return float((relevance / relevance.sum() * log_p).sum())
