"""How often a shown answer is wrong, tested exactly although answers of an image go together."""

from __future__ import annotations

from numpy.typing import ArrayLike

from metrics.abstention.betting import (
    INSIDE,
    ShownCounts,
    counts_of,
    lower_bound,
    p_above,
    p_below,
    upper_bound,
)
from metrics.core.checks import Labels, between, binary_labels, codes, same_length
from metrics.errors import UndefinedMetricError


def selective_risk_p_values(
    y_true: ArrayLike, shown: ArrayLike, groups: Labels, *, risk: float
) -> tuple[float, float]:
    r"""P-values of "at least so many shown answers are wrong" and of "at most so many are".

    .. math:: R = P(\text{wrong} \mid \text{shown})
        = \frac{E \sum_{i \in g} k_i w_i}{E \sum_{i \in g} k_i}, \qquad
        L_g = \alpha + \frac{1}{M} \sum_{i \in g} k_i (w_i - \alpha) \in [0, 1], \qquad
        R \lessgtr \alpha \iff E L_g \lessgtr \alpha

    Answers are shown (:math:`k_i`) and wrong (:math:`w_i`) together within an image, and only
    images are exchangeable. The risk is a ratio of means over images; the loss :math:`L_g` of one
    image, with :math:`M` the most questions that an image has, is a bounded variable whose mean
    says on which side of :math:`\alpha` that ratio lies. Its mean is tested by betting:

    .. math:: p = \min\Big(1, 1 \Big/ \sum_j v_j \prod_g
        \Big(1 - \frac{u_j}{1 - \alpha} (L_g - \alpha)\Big)\Big)

    with bets :math:`u_j \le 1` and stakes :math:`v_j` fixed beforehand. No factor is negative. If
    :math:`E L_g \ge \alpha` the mean of the product is at most 1, by the inequality of means also
    where images differ in size, and Markov's inequality makes it a p-value: exact at any number of
    images, and the same in any order of them. The other p-value is that of
    :math:`-(L_g - \alpha)`, with :math:`1 - \alpha` and :math:`\alpha` exchanged. Where every image
    has one question, the wrong ones among those shown are binomial, and that test is used. No
    direction. Range: :math:`(0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    shown : 0/1 array, shape (n_samples,)
        1 where the answer is shown: by a rule that did not look at these labels.
    groups : sequence, length n_samples
        Image of each sample.
    risk : float in (0, 1)
        The :math:`\alpha` that R is held against.

    Returns
    -------
    tuple of float
        Small where the risk is below ``risk``, and small where it is above.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Waudby-Smith and Ramdas (2024), JRSS B 86, arXiv 2010.09686, means of bounded variables by
    betting; a mixture of constant bets is Cover's (1991) universal portfolio. The loss is ours.

    Examples
    --------
    >>> below, above = selective_risk_p_values([1] * 59, [1] * 59, range(59), risk=0.05)
    >>> round(below, 4), above
    (0.0485, 1.0)
    """
    between("selective_risk_p_values", "risk", risk, 0, 1 - INSIDE)
    counts = _shown_counts("selective_risk_p_values", y_true, shown, groups)
    return p_below(counts, risk), p_above(counts, risk)


def selective_risk_bounds(
    y_true: ArrayLike, shown: ArrayLike, groups: Labels, *, confidence: float = 0.95
) -> tuple[float, float]:
    r"""Bounds on how often a shown answer is wrong, each by itself at this confidence.

    .. math:: \inf \{a : p_{R \le a} > \delta\}, \qquad \sup \{a : p_{R \ge a} > \delta\}

    with the p-values of `selective_risk_p_values` and :math:`\delta` one less the confidence; both
    are monotone in a. Together they are an interval at :math:`1 - 2 \delta`. No direction. Range:
    :math:`[0, 1]`; the whole of it where nothing is shown.

    Parameters
    ----------
    y_true, shown : 0/1 array, shape (n_samples,)
        As in `selective_risk_p_values`.
    groups : sequence, length n_samples
        Image of each sample.
    confidence : float in (0, 1), default 0.95
        Of each bound.

    Returns
    -------
    tuple of float
        Lower and upper.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    As in `selective_risk_p_values`; Clopper and Pearson (1934), Biometrika 26, where every image
    has one question.

    Examples
    --------
    >>> low, high = selective_risk_bounds([1] * 59, [1] * 59, range(59))
    >>> low, round(high, 4)
    (0.0, 0.0495)
    """
    between("selective_risk_bounds", "confidence", confidence, 0, 1 - INSIDE)
    counts = _shown_counts("selective_risk_bounds", y_true, shown, groups)
    return lower_bound(counts, confidence), upper_bound(counts, confidence)


def _shown_counts(
    function: str, y_true: ArrayLike, shown: ArrayLike, groups: Labels
) -> ShownCounts:
    """Check the arguments and count per image."""
    correct = binary_labels(function, "y_true", y_true)
    kept = binary_labels(function, "shown", shown)
    same_length(function, "shown", kept, correct.size)
    group = codes(function, "groups", groups, correct.size)
    if not correct.size:
        raise UndefinedMetricError("no samples")
    return counts_of(correct, kept, group)
