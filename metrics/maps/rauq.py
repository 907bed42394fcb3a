"""Token confidence that is handed on along the heads which look back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import refuse
from metrics.errors import UndefinedMetricError

ALPHA = 0.2  # the paper's


def rauq(
    logprobs: NDArray[np.floating], previous: NDArray[np.floating], *, alpha: float = ALPHA
) -> float:
    r"""RAUQ: uncertainty of an answer whose tokens inherit that of the tokens before them.

    .. math:: c_1 = p_1, \quad c_t = \alpha p_t + (1 - \alpha)\, a_{t \to t-1}\, c_{t-1}, \qquad
        \max_l -\frac1T \sum_t \ln c^{(l)}_t

    with :math:`a` the attention of token t to the one before, in the head of layer l that looks
    back most over the answer, and l the layers of the middle third. An answer of one token: minus
    its log-probability. In nats, at least 0; lower means more likely correct.

    Parameters
    ----------
    logprobs : float array, shape (n_tokens,)
        Of the answer's tokens.
    previous : float array, shape (n_layers, n_tokens)
        Attention to the token before; the first token's is not looked at.
    alpha : float, default 0.2
        Weight of a token's own probability.

    Raises
    ------
    UndefinedMetricError
        If there is no token.
    ValueError
        If shapes do not fit.

    References
    ----------
    Vazhentsev et al. (2025), arXiv 2505.20045.

    Examples
    --------
    >>> round(rauq(np.log([0.5, 0.5]), np.array([[0.0, 0.0]])), 4)
    1.4979
    """
    if not logprobs.size:
        raise UndefinedMetricError("the answer is empty")
    if previous.ndim != 2 or previous.shape[1] != logprobs.size or not len(previous):
        raise refuse("rauq", "previous", f"(n, {logprobs.size})", f"shape {previous.shape}")
    p = np.exp(logprobs.astype(np.float64))
    own = np.full(len(previous), p[0])
    total = np.log(np.maximum(own, 1e-300))
    for step in range(1, p.size):
        own = alpha * p[step] + (1 - alpha) * previous[:, step].astype(np.float64) * own
        total = total + np.log(np.maximum(own, 1e-300))
    return float(np.maximum(-total / p.size, 0.0).max())
