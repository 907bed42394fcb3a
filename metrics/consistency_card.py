"""What sampling buys: AUROC for every number of samples, and precision at full agreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from metrics._answer_counts import answer_counts
from metrics._checks import (
    FloatArray,
    Labels,
    binary_labels,
    codes,
    finite_array,
    level_inside,
    same_length,
)
from metrics._estimate import Estimate
from metrics.bootstrap import auroc_estimate
from metrics.proportions import proportion_estimate
from metrics.self_consistency import majority_share_at_k


def majority_shares_by_k(samples: Sequence[Sequence[str]]) -> FloatArray:
    r"""S_SC@k of every question for k = 2 … K, from one run with K samples.

    .. math:: (S_{SC}@2, \dots, S_{SC}@K)_i

    as `majority_share_at_k`. A question that does not have K samples, the largest number of any,
    or only empty ones, has NaN. Higher means more likely correct. Range: each in :math:`[1/k, 1]`.

    Parameters
    ----------
    samples : sequence of sequence of str, length n_samples
        Normalised answers.

    Returns
    -------
    float array, shape (n_samples, K - 1)
        Column i belongs to k = i + 2; no columns where no question has two samples.

    References
    ----------
    Method §3 (ours).

    Examples
    --------
    >>> majority_shares_by_k([["cat", "cat", "dog"], ["cat", "cat", "cat"]]).round(4).tolist()
    [[0.6667, 0.6667], [1.0, 1.0]]
    """
    most = max(map(len, samples), default=0)
    shares = np.full((len(samples), max(most - 1, 0)), np.nan)
    known: dict[tuple[int, ...], FloatArray] = {}
    for row, answers in zip(shares, samples, strict=True):
        if len(answers) == most > 1 and any(answers):
            # only how often each answer occurs matters, and few patterns do
            counts = tuple(sorted(answer_counts("majority_shares_by_k", answers).values()))
            if counts not in known:
                known[counts] = majority_share_at_k(answers)
            row[:] = known[counts]
    return shares


def auroc_by_k(
    y_true: ArrayLike, shares: FloatArray, *, groups: Labels, level: float = 0.95
) -> tuple[tuple[int, Estimate], ...]:
    r"""AUROC of S_SC@k for every k, with intervals.

    .. math:: k \mapsto A(S_{SC}@k)

    Higher means better separation. Range: each in :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    shares : float array, shape (n_samples, K - 1)
        From `majority_shares_by_k`; questions with NaN are left out.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    tuple of (int, Estimate)
        k and AUROC.

    Raises
    ------
    ValueError
        If lengths differ or a label is not 0 or 1.

    References
    ----------
    Method §3 (ours): arXiv 2606.17389 reports K = 10 only.

    Examples
    --------
    >>> shares = majority_shares_by_k([["a", "a", "a"], ["a", "a", "b"], ["a", "b", "c"]] * 5)
    >>> [(k, a.value) for k, a in auroc_by_k([1, 1, 0] * 5, shares, groups=range(15))]
    [(2, 1.0), (3, 1.0)]
    """
    correct = binary_labels("auroc_by_k", "y_true", y_true)
    same_length("auroc_by_k", "shares", shares, correct.size)
    group = codes("auroc_by_k", "groups", groups, correct.size)
    present = np.flatnonzero(~np.isnan(shares).any(axis=1))
    y, kept = correct[present], group[present]
    return tuple(
        (k, auroc_estimate(y, column, groups=kept, level=level))
        for k, column in enumerate(shares[present].T, start=2)
    )


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
