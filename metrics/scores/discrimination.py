"""How well a score separates correct from wrong answers.

Higher scores mean "more likely correct": the orientation is fixed before looking at the data, so
an AUROC below 0.5 stays below 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    Labels,
    binary_labels,
    codes,
    finite_array,
    same_length,
    two_classes,
)
from metrics.errors import UndefinedMetricError


def auroc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Chance that a correct answer scores above a wrong one.

    .. math:: A = P(s^+ > s^-) + \tfrac12 P(s^+ = s^-)

    with :math:`s^+` and :math:`s^-` the scores of a random correct and a random wrong answer.
    Higher means better separation; 0.5 is chance. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A probability.

    Raises
    ------
    UndefinedMetricError
        If all answers are correct, or all wrong, or the score is constant.
    ValueError
        If a label is not 0 or 1, a score is not finite, or lengths differ.

    References
    ----------
    Hanley and McNeil (1982), Radiology 143.

    Examples
    --------
    >>> auroc([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1])
    0.875
    """
    correct, score = _checked("auroc", y_true, y_score)
    n_correct, n_errors = two_classes(correct)
    if score.min() == score.max():
        raise UndefinedMetricError(f"constant score: {score[0]:g} for all {score.size} samples")
    return _concordance(correct, score) / (n_correct * n_errors)


def within_kind_auroc(y_true: ArrayLike, y_score: ArrayLike, kinds: Labels) -> float:
    r"""AUROC over pairs of answers to the same kind of question.

    .. math:: A_w = \frac{\sum_k n^+_k n^-_k A_k}{\sum_k n^+_k n^-_k}

    with :math:`A_k` the AUROC in kind :math:`k` and :math:`n^\pm_k` its correct and wrong answers.
    Kinds with one class only drop out. A score that merely tells kinds apart gets 0.5. Higher means
    better separation. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    kinds : sequence, length n_samples
        Question kind of each sample.

    Returns
    -------
    float
        A probability.

    Raises
    ------
    UndefinedMetricError
        If no kind has both classes, or the score is constant within each kind that has.
    ValueError
        If a label is not 0 or 1, a score is not finite, or lengths differ.

    References
    ----------
    Method §4 (ours); the stratified Mann-Whitney statistic (van Elteren 1960) with pair weights.

    Examples
    --------
    >>> within_kind_auroc([1, 0, 1, 0], [0.9, 0.8, 0.1, 0.2], ["a", "a", "b", "b"])
    0.5
    """
    correct, score = _checked("within_kind_auroc", y_true, y_score)
    two_classes(correct)
    kind = codes("within_kind_auroc", "kinds", kinds, score.size)
    size, n_correct = np.bincount(kind), np.bincount(kind, weights=correct)
    pairs = n_correct * (size - n_correct)
    if not pairs.any():
        raise UndefinedMetricError("no question kind has both correct and wrong answers")
    order = np.lexsort((score, kind))
    s, k = score[order], kind[order]
    if not ((s[1:] != s[:-1]) & (k[1:] == k[:-1]) & (pairs[k[1:]] > 0)).any():
        raise UndefinedMetricError("the score is constant within every question kind")
    # ranks over all kinds at once, kinds one after another; less those of the kinds before
    level = np.cumsum(np.r_[0, (s[1:] != s[:-1]) | (k[1:] != k[:-1])])
    rank = rankdata(level) - (np.cumsum(size) - size)[k]
    counts = correct[order] & (pairs[k] > 0)
    n = n_correct[pairs > 0]
    return float((rank[counts].sum() - (n * (n + 1) / 2).sum()) / pairs.sum())


def error_average_precision(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Average precision of finding the wrong answers from low scores.

    .. math:: AP = \sum_t (R_t - R_{t-1}) P_t

    with :math:`P_t, R_t` the precision and recall of "wrong" among scores up to the t-th distinct
    value (tied scores are one threshold). Its baseline is the error rate: report it beside. Higher
    means errors are found earlier. Range: :math:`(0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct; errors are the positives here.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.

    Returns
    -------
    float
        A precision.

    Raises
    ------
    UndefinedMetricError
        If all answers are correct, or all wrong, or the score is constant.
    ValueError
        If a label is not 0 or 1, a score is not finite, or lengths differ.

    References
    ----------
    Hendrycks and Gimpel (2017), arXiv 1610.02136, "AUPR error".

    Examples
    --------
    >>> round(error_average_precision([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]), 4)
    0.8333
    """
    correct, score = _checked("error_average_precision", y_true, y_score)
    _, n_errors = two_classes(correct)
    if score.min() == score.max():
        raise UndefinedMetricError(f"constant score: {score[0]:g} for all {score.size} samples")
    _, level = np.unique(score, return_inverse=True)
    errors = np.bincount(level, weights=~correct)
    retrieved = np.cumsum(np.bincount(level))
    return float((errors * np.cumsum(errors) / retrieved).sum() / n_errors)


def _checked(function: str, y_true: ArrayLike, y_score: ArrayLike) -> tuple[BoolArray, FloatArray]:
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, correct.size)
    return correct, score


def _concordance(correct: BoolArray, score: FloatArray) -> float:
    n_correct = int(correct.sum())
    return float(rankdata(score)[correct].sum()) - n_correct * (n_correct + 1) / 2
