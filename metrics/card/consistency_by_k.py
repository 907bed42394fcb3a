"""What sampling buys: AUROC for every number of samples, and precision at full agreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from metrics.answers.counts import answer_counts
from metrics.answers.subsets import majority_distribution
from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    binary_labels,
    codes,
    finite_array,
    level_inside,
    same_length,
    two_classes,
)
from metrics.core.estimate import Estimate
from metrics.core.proportions import proportion_estimate
from metrics.errors import UndefinedMetricError
from metrics.scores.auroc_interval import auroc_interval


def auroc_by_k(
    y_true: ArrayLike,
    samples: Sequence[Sequence[str]],
    groups: Labels,
    *,
    level: float = 0.95,
) -> tuple[tuple[int, Estimate], ...]:
    r"""AUROC of self-consistency had only k = 2 … K of the samples been drawn.

    .. math:: A_k = \frac{1}{n^+ n^-} \sum_{i^+, j^-}
        \bigl[ P(M_i > M_j) + \tfrac12 P(M_i = M_j) \bigr]

    with :math:`M_i` the count of the commonest answer in a random subset of k of the K samples of
    question i. This is the mean *of the AUROC* over all ways to pick k samples of every question,
    exactly, and so what a run with k samples is expected to show; it does not depend on the
    samples' order. (The AUROC of shares averaged over subsets would use all K samples.) At k = K it
    is the AUROC of `majority_share`. Higher means better separation. Range: each in :math:`[0, 1]`.

    The interval is that of `auroc_estimate`, from the influence of each question on :math:`A_k`: it
    is over images, and the chance in the samples of each question is in it.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    samples : sequence of sequence of str, length n_samples
        Normalised answers; questions that do not have K of them, the largest number of any, or only
        empty ones, are left out.
    groups : sequence, length n_samples
        Image of each question.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    tuple of (int, Estimate)
        k and AUROC; empty where no question has two samples.

    Raises
    ------
    ValueError
        If lengths differ or a label is not 0 or 1.

    References
    ----------
    Method §3 (ours): arXiv 2606.17389 reports K = 10 only. Subsets as in a U-statistic, Hoeffding
    (1948); intervals as in Obuchowski (1997), Biometrics 53.

    Examples
    --------
    >>> samples = [["a", "a", "a"], ["a", "b", "b"], ["a", "b", "c"]] * 5
    >>> found = auroc_by_k([1, 0, 0] * 5, samples, range(15))
    >>> [(k, round(a.value, 4)) for k, a in found]
    [(2, 0.9167), (3, 1.0)]
    """
    function = "auroc_by_k"
    correct = binary_labels(function, "y_true", y_true)
    same_length(function, "samples", samples, correct.size)
    group = codes(function, "groups", groups, correct.size)
    most = max(map(len, samples), default=0)
    if most < 2:
        return ()
    rows = np.array([i for i, own in enumerate(samples) if len(own) == most and any(own)], np.int64)
    patterns = [tuple(sorted(answer_counts(function, samples[i]).values())) for i in rows]
    known = {pattern: number for number, pattern in enumerate(dict.fromkeys(patterns))}
    pattern = np.array([known[p] for p in patterns], np.int64)
    chances = np.array([majority_distribution(p) for p in known]).reshape(-1, most, most)
    return tuple(
        (k, _auroc_estimate(correct[rows], chances[pattern, k - 1], group[rows], level))
        for k in range(2, most + 1)
    )


def _auroc_estimate(
    correct: BoolArray, chances: FloatArray, group: IntArray, level: float
) -> Estimate:
    """Return the AUROC of scores known as chances of levels, shape (n, levels), lowest first."""
    try:
        two_classes(correct)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    if (chances == chances[0]).all():
        return Estimate.undefined(f"the same counts for all {correct.size} questions")
    value, influence = _influence(correct, chances)
    nearest = round(value, 12)  # chances of levels are rounded, a separation is exact
    value = nearest if nearest in (0.0, 1.0) else value
    return auroc_interval(value, influence, correct, np.zeros(correct.size, np.int64), group, level)


def _influence(correct: BoolArray, chances: FloatArray) -> tuple[float, FloatArray]:
    """Return the mean AUROC and the influence of each sample on it, as `auroc_influence` does."""
    concordant = np.empty(correct.size)
    for own in (True, False):
        others = chances[correct != own].sum(axis=0)
        below = np.cumsum(others) - others / 2
        won = chances[correct == own] @ below
        concordant[correct == own] = won if own else others.sum() - won
    n_pairs = int(correct.sum()) * int((~correct).sum())
    value = float(concordant[correct].sum() / n_pairs)
    opposite = np.where(correct, (~correct).sum(), correct.sum())
    return value, (concordant - value * opposite) / n_pairs


def precision_at_full_agreement(
    y_true: ArrayLike, shares: ArrayLike, groups: Labels, *, level: float = 0.95
) -> Estimate:
    r"""Accuracy of the answers on which all K samples agree.

    .. math:: P(\text{correct} \mid S_{SC} = 1)

    with Wilson's interval at the effective sample size of those answers. Higher means agreement is
    worth more. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    shares : float array, shape (n_samples,)
        Majority share of each question.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined where no question has full agreement.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §3; arXiv 2606.17389 reports 90.8 % [88.4, 92.8].

    Examples
    --------
    >>> precision_at_full_agreement([1, 0, 1], [1.0, 1.0, 0.6], "abc").value
    0.5
    """
    function = "precision_at_full_agreement"
    level_inside(function, level)
    correct = binary_labels(function, "y_true", y_true)
    share = finite_array(function, "shares", shares)
    same_length(function, "shares", share, correct.size)
    full = share > 1 - 1e-9
    if not full.any():
        return Estimate.undefined("no question on which all samples agree")
    group = codes(function, "groups", groups, correct.size)
    return proportion_estimate(correct[full], group[full], level=level)
