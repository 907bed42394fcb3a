"""Confidence of the answer times its consistency with the samples."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.answers.lexical import answer_degree
from metrics.core.checks import refuse


def cocoa(uncertainty: float, samples: Sequence[str], answer: str) -> float:
    r"""CoCoA: how unsure the model is of its answer, times how unlike the answer samples are.

    .. math:: U = u(\hat y) \cdot \frac{1}{K} \sum_k (1 - s(\hat y, y_k))

    with :math:`s` the ROUGE-L of words (the papers: a model's similarity). For :math:`u` the
    signals take :math:`1 - p(\hat y)` (``cocoa_msp``), :math:`-\ln p(\hat y)` (``cocoa_nll``),
    :math:`-\frac1T \sum_t \ln p(y_t)` (``cocoa_perplexity``, the logarithm of perplexity) and the
    mean entropy of the tokens (``cocoa_entropy``). The last three are the authors' own (in code:
    ``CocoaMSP``, ``CocoaPPL``, ``CocoaMTE``); the first is ours, bounded as a probability is.
    Samples that all agree with the answer leave 0, whatever the model's
    confidence. Lower means more likely correct (the signals are negatives). Range:
    :math:`[0, u]`.

    Parameters
    ----------
    uncertainty : float
        :math:`u >= 0` of the scored answer.
    samples : sequence of str, length K
        Normalised answers.
    answer : str
        The scored answer, normalised alike.

    Returns
    -------
    float
        A product.

    Raises
    ------
    UndefinedMetricError
        If there are no samples, or all of them, or the answer, are empty.
    ValueError
        If the uncertainty is negative or not finite.

    References
    ----------
    Vashurin et al. (2025), arXiv 2502.04964.

    Examples
    --------
    >>> round(cocoa(0.4, ["cat", "dog", "cat", "cat"], "cat"), 4)
    0.1
    """
    if not 0 <= uncertainty < float("inf"):
        raise refuse("cocoa", "uncertainty", "finite and >= 0", f"{uncertainty:g}")
    return uncertainty * (1 - answer_degree(samples, answer))
