"""Sets of candidates that hold the true one at a stated rate (split conformal prediction)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import FloatArray, IntArray, Labels, between, codes, refuse, same_length
from metrics.errors import UndefinedMetricError

_ROUNDING = 1e-12  # of a sum of weights


def lac_nonconformity(p: ArrayLike) -> FloatArray:
    r"""How ill each candidate conforms: what its probability lacks to 1.

    .. math:: e_{ic} = 1 - p_{ic}

    Lower conforms better. Range: :math:`[0, 1]`; infinite for what is no candidate.

    Parameters
    ----------
    p : float array, shape (n, n_candidates)
        Probabilities, each row's sum 1; NaN for what is no candidate of that question.

    Returns
    -------
    float array, shape (n, n_candidates)

    Raises
    ------
    ValueError
        If rows are no distributions.

    References
    ----------
    Sadinle et al. (2019), arXiv 1609.00451 (LAC).

    Examples
    --------
    >>> lac_nonconformity([[0.75, 0.25, float("nan")]]).tolist()
    [[0.25, 0.75, inf]]
    """
    own = _distributions("lac_nonconformity", p)
    return np.where(np.isnan(own), np.inf, 1 - own)


def aps_nonconformity(p: ArrayLike) -> FloatArray:
    r"""How ill each candidate conforms: the probability of all that are likelier.

    .. math:: e_{ic} = \sum_{c' : p_{ic'} > p_{ic}} p_{ic'}

    A set takes in the likeliest ones until they have the threshold's probability together. The
    paper adds a random part of :math:`p_{ic}` itself; none of it is added here, so that sets are
    the same each time, and with all of it every set of two would hold both as soon as one in ten is
    wrong. Coverage is kept by any choice. Lower conforms better. Range: :math:`[0, 1]`; infinite
    for what is no candidate.

    Parameters
    ----------
    p : float array, shape (n, n_candidates)
        As in `lac_nonconformity`.

    Returns
    -------
    float array, shape (n, n_candidates)

    Raises
    ------
    ValueError
        If rows are no distributions.

    References
    ----------
    Romano et al. (2020), arXiv 2006.02544 (APS).

    Examples
    --------
    >>> aps_nonconformity([[0.25, 0.625, 0.125, float("nan")]]).tolist()
    [[0.625, 0.0, 0.875, inf]]
    """
    own = _distributions("aps_nonconformity", p)
    known = np.nan_to_num(own)
    likelier = known[:, None, :] > known[:, :, None]
    return np.where(np.isnan(own), np.inf, (likelier * known[:, None, :]).sum(axis=-1))


def conformal_threshold(scores: ArrayLike, groups: Labels, *, coverage: float = 0.9) -> float:
    r"""Up to which nonconformity a candidate is taken in, so that sets hold the true one.

    .. math:: \hat q = \min \Big\{ t : \sum_i \frac{1}{m + 1} \cdot
        \frac{1}{n_i} \sum_{j \le n_i} 1[e_{ij} \le t] \ge 1 - \alpha \Big\}

    over m images with :math:`n_i` questions. A set of all candidates with :math:`e \le \hat q`
    holds the true one of a question of a *new image* with a chance of at least
    :math:`1 - \alpha`, whatever the model, if images are exchangeable; questions of one image need
    not be. With one question an image it is the usual quantile. Range: that of the scores, or
    infinity, which takes in everything, where there are too few images.

    Parameters
    ----------
    scores : float array, shape (n,)
        Nonconformity of the true candidate; infinite where it is none of the candidates.
    groups : sequence, length n
        Image of each.
    coverage : float in (0, 1), default 0.9
        :math:`1 - \alpha`.

    Raises
    ------
    UndefinedMetricError
        If there are no scores.
    ValueError
        If a score is NaN, lengths differ or the coverage is none.

    References
    ----------
    Lee, Barber and Willett (2023), arXiv 2306.06342 (hierarchical conformal prediction).

    Examples
    --------
    >>> conformal_threshold([0.1, 0.2, 0.3, 0.4], list("abcd"), coverage=0.6)
    0.3
    >>> conformal_threshold([0.1, 0.2, 0.3, 0.4], list("abcd"), coverage=0.9)
    inf
    """
    e = np.asarray(scores, dtype=np.float64)
    between("conformal_threshold", "coverage", coverage, 0, 1)
    if not e.size:
        raise UndefinedMetricError("no question has a true candidate to calibrate on")
    if np.isnan(e).any():
        raise refuse("conformal_threshold", "scores", "numbers", "NaN")
    image = codes("conformal_threshold", "groups", groups, e.size)
    size = np.bincount(image)
    weight = 1 / ((np.count_nonzero(size) + 1) * size[image])
    order = np.argsort(e, kind="stable")
    reached = np.cumsum(weight[order]) >= coverage - _ROUNDING
    return float(e[order][reached.argmax()]) if reached.any() else float(np.inf)


def prediction_sets(nonconformity: FloatArray, threshold: float) -> NDArray[np.bool_]:
    """Which candidates are in each question's set; the likeliest always is.

    An empty set would call a question easy of which nothing conforms; taking the likeliest in only
    adds to the coverage.

    Parameters
    ----------
    nonconformity : float array, shape (n, n_candidates)
    threshold : float
        From `conformal_threshold`, of other images.

    Returns
    -------
    bool array, shape (n, n_candidates)

    Examples
    --------
    >>> prediction_sets(np.array([[0.2, 0.8, np.inf], [0.5, 0.5, np.inf]]), 0.4).tolist()
    [[True, False, False], [True, True, False]]
    """
    best = nonconformity <= nonconformity.min(axis=1, keepdims=True)
    sets: NDArray[np.bool_] = np.isfinite(nonconformity) & ((nonconformity <= threshold) | best)
    return sets


def holds(sets: NDArray[np.bool_], truth: IntArray) -> NDArray[np.bool_]:
    """Whether each set holds the true candidate; `truth` is −1 where that is none of them.

    Examples
    --------
    >>> holds(np.array([[True, False], [True, True]]), np.array([1, -1])).tolist()
    [False, False]
    """
    same_length("holds", "truth", truth, len(sets))
    found: NDArray[np.bool_] = sets[np.arange(len(sets)), truth] & (truth >= 0)
    return found


def _distributions(function: str, p: ArrayLike) -> FloatArray:
    own = np.asarray(p, dtype=np.float64)
    if own.ndim != 2:
        raise refuse(function, "p", "(n, n_candidates)", f"shape {own.shape}")
    known = np.nan_to_num(own)
    if (known < 0).any() or (abs(known.sum(axis=1) - 1) > 1e-6).any():
        raise refuse(function, "p", "distributions", "rows that are none")
    return own
