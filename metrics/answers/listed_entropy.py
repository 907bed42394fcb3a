"""How much entropy a distribution has at least, of which the likeliest tokens alone are told."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from metrics.core.checks import refuse
from metrics.errors import UndefinedMetricError

_OVER_ONE = 1e-2  # what rounding may add to a sum of probabilities


def entropy_at_least(logprobs: ArrayLike) -> tuple[float, float]:
    r"""Lower bound of the entropy, and the probability that it rests on.

    .. math:: H \ge -\sum_k p_k \ln p_k - r \ln r, \qquad r = 1 - \sum_k p_k

    What is not told counts as one token, and splitting it only adds entropy: the bound is the
    entropy where nothing is left out. Lower means more likely correct. Range: :math:`[0, \infty)`
    in nats; the probability in :math:`(0, 1]`.

    Parameters
    ----------
    logprobs : float array, shape (n_listed,)
        Of different tokens, in nats.

    Returns
    -------
    float, float
        The bound, and :math:`1 - r`.

    Raises
    ------
    UndefinedMetricError
        If no token is told, or what is told is more than one.
    ValueError
        If a number is NaN.

    References
    ----------
    Grouping of entropy; Cover and Thomas (2006), Elements of Information Theory, section 2.5.

    Examples
    --------
    >>> bound, seen = entropy_at_least(np.log([0.5, 0.25]))
    >>> round(bound, 4), round(seen, 4)
    (1.0397, 0.75)
    """
    told = np.asarray(logprobs, dtype=np.float64)
    if np.isnan(told).any():
        raise refuse("entropy_at_least", "logprobs", "numbers", "NaN")
    p = np.exp(told)
    seen = float(p.sum())
    if not p.size or seen > 1 + _OVER_ONE:
        raise UndefinedMetricError("what is told of the likeliest tokens is no distribution")
    rest = max(0.0, 1 - seen)
    bound = -float(xlogy(p, p).sum()) - float(xlogy(rest, rest))
    return max(0.0, bound), min(1.0, seen)
