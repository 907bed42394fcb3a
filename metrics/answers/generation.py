"""Confidence read off the tokens the model generated, under the raw distribution (T = 1).

Arrays hold one value per generated answer token; the end-of-sequence token is the caller's to
leave out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from metrics.core.checks import FloatArray, finite_array, refuse, safe_mean
from metrics.errors import UndefinedMetricError

# float16 softmax over 150,000 words sums to 1 within about this much
SUM_TOLERANCE = 1e-2


def mean_logprob(logprobs: ArrayLike) -> float:
    r"""Mean log-probability of the generated answer tokens ("token confidence").

    .. math:: S_{conf} = \frac{1}{T} \sum_t \ln p(y_t \mid y_{<t}, x)

    with :math:`y_t` the token really generated at step :math:`t`. Higher means more likely correct.
    Range: :math:`(-\infty, 0]`.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens,)
        Natural logarithms, of the raw distribution (no temperature, no top-p).

    Returns
    -------
    float
        Mean in nats per token.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        If a value is positive or not finite.

    References
    ----------
    arXiv 2606.17389, eq. 7.

    Examples
    --------
    >>> round(mean_logprob([-0.25, -0.75]), 4)
    -0.5
    """
    return safe_mean(_logprobs("mean_logprob", logprobs))


def sequence_logprob(logprobs: ArrayLike) -> float:
    r"""Log-probability of the whole answer.

    .. math:: \ln p(y \mid x) = \sum_t \ln p(y_t \mid y_{<t}, x)

    Unlike the mean it falls with every token: of long answers it says how long they are as well.
    The end-of-sequence token is not part of it. Higher means more likely correct. Range:
    :math:`(-\infty, 0]`.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens,)
        As in `mean_logprob`.

    Returns
    -------
    float
        Sum in nats.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        If a value is positive or not finite.

    References
    ----------
    "Maximum sequence probability" of arXiv 2406.15627.

    Examples
    --------
    >>> sequence_logprob([-0.25, -0.75])
    -1.0
    """
    with np.errstate(over="ignore"):
        total = float(_logprobs("sequence_logprob", logprobs).sum())
    if not np.isfinite(total):
        raise refuse("sequence_logprob", "logprobs", "small enough to add up", "a sum of -inf")
    return total


def min_logprob(logprobs: ArrayLike) -> float:
    r"""Log-probability of the least likely generated answer token.

    .. math:: \min_t \ln p(y_t \mid y_{<t}, x)

    with :math:`y_t` the token generated at step :math:`t`. Higher means more likely correct. Range:
    :math:`(-\infty, 0]`.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens,)
        As in `mean_logprob`.

    Returns
    -------
    float
        Minimum in nats.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        If a value is positive or not finite.

    References
    ----------
    arXiv 2606.17389, section on output signals.

    Examples
    --------
    >>> min_logprob([-0.25, -0.75])
    -0.75
    """
    return float(_logprobs("min_logprob", logprobs).min())


def mean_entropy(entropies: ArrayLike) -> float:
    r"""Mean entropy of the next-token distribution over the answer's steps.

    .. math:: \bar H = \frac{1}{T} \sum_t H_t, \qquad H_t = -\sum_v p_t(v) \ln p_t(v)

    Lower means more likely correct (the signal is its negative). Range: :math:`[0, \ln V]`.

    Parameters
    ----------
    entropies : float array, shape (n_tokens,)
        From `entropy_from_logprobs`; the first entry alone gives the first-token entropy.

    Returns
    -------
    float
        Mean in nats.

    Raises
    ------
    UndefinedMetricError
        If there is no answer token.
    ValueError
        If an entropy is negative or not finite.

    References
    ----------
    arXiv 2606.17389, section on output signals.

    Examples
    --------
    >>> mean_entropy([0.5, 1.0])
    0.75
    """
    h = finite_array("mean_entropy", "entropies", entropies)
    if not h.size:
        raise UndefinedMetricError("no answer tokens")
    if h.min() < -1e-6:
        raise refuse("mean_entropy", "entropies", ">= 0", f"{h.min():g}")
    return safe_mean(h)


def top2_margin(probabilities: ArrayLike) -> float:
    r"""Probability of the likeliest next token less that of the second.

    .. math:: p_{(1)} - p_{(2)}

    with :math:`p_{(k)}` the k-th largest. Higher means more likely correct. Range: :math:`[0, 1]`.

    Parameters
    ----------
    probabilities : float array, shape (n_vocabulary,)
        One step's distribution, or any part of it that holds the two largest.

    Returns
    -------
    float
        Difference of two probabilities.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than two tokens.
    ValueError
        If a value is outside [0, 1], or they sum to more than 1.

    References
    ----------
    arXiv 2606.17389, section on output signals.

    Examples
    --------
    >>> round(top2_margin([0.2, 0.7, 0.1]), 4)
    0.5
    """
    p = finite_array("top2_margin", "probabilities", probabilities)
    if p.size < 2:
        raise UndefinedMetricError(f"a margin needs two tokens, got {p.size}")
    if p.min() < 0 or p.sum() > 1 + SUM_TOLERANCE:
        got = f"min {p.min():g}, sum {p.sum():g}"
        advice = "Pass probabilities, not logits."
        raise refuse("top2_margin", "probabilities", ">= 0 with sum <= 1", got, advice)
    second, first = np.partition(p, -2)[-2:]
    return float(first - second)


def entropy_from_logprobs(logprobs_over_vocabulary: ArrayLike) -> FloatArray:
    r"""Entropy of next-token distributions.

    .. math:: H = -\sum_v p(v) \ln p(v), \qquad p(v) = e^{\ell(v)}

    with :math:`\ell` the log-probabilities over the vocabulary. Lower means more likely correct.
    Range: :math:`[0, \ln V]`.

    Parameters
    ----------
    logprobs_over_vocabulary : float array, shape (..., n_vocabulary)
        Natural logarithms; -inf is legal and means probability 0.

    Returns
    -------
    float array, shape (...)
        Entropies in nats (a scalar for one distribution).

    Raises
    ------
    ValueError
        If a distribution does not sum to 1.

    References
    ----------
    Shannon (1948); arXiv 2606.17389, section on output signals.

    Examples
    --------
    >>> import numpy as np
    >>> entropy_from_logprobs(np.log([[0.5, 0.5], [0.25, 0.75]])).round(4).tolist()
    [0.6931, 0.5623]
    """
    logp = np.asarray(logprobs_over_vocabulary, dtype=np.float64)
    if logp.ndim == 0 or logp.shape[-1] == 0:
        raise refuse(
            "entropy_from_logprobs", "logprobs_over_vocabulary", "(..., n_vocabulary)",
            f"shape {logp.shape}",
        )  # fmt: skip
    with np.errstate(over="ignore"):  # an infinite sum is refused below
        total = np.exp(logsumexp(logp, axis=-1))
    if not np.all(np.abs(total - 1) <= SUM_TOLERANCE):
        raise refuse(
            "entropy_from_logprobs", "logprobs_over_vocabulary", "normalised (sum of exp = 1)",
            f"a sum of {total.flat[int(np.argmax(np.abs(total - 1)))]:g}",
            "Apply log-softmax over the whole vocabulary first.",
        )  # fmt: skip
    p = np.exp(logp)
    terms: FloatArray = p * np.where(p > 0, logp, 0.0)
    entropies: FloatArray = np.maximum(-terms.sum(axis=-1), 0.0)
    return entropies


def _logprobs(function: str, values: ArrayLike) -> FloatArray:
    logp = finite_array(function, "logprobs", values)
    if not logp.size:
        raise UndefinedMetricError("no answer tokens")
    if logp.max() > 1e-6:
        advice = "Pass log-probabilities, not probabilities or logits."
        raise refuse(function, "logprobs", "<= 0", f"max {logp.max():g}", advice)
    return np.minimum(logp, 0.0)
