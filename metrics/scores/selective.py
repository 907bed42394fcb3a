"""Selective prediction as it would be used: with a threshold, and without dividing by coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import (
    Labels,
    at_least,
    between,
    binary_labels,
    codes,
    finite_array,
    same_length,
)
from metrics.core.folds import random_group_folds
from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc
from metrics.scores.thresholds import kept_by_other_folds


@dataclass(frozen=True)
class SelectiveAccuracy:
    """Accuracy among the answers kept, and the coverage that was really reached."""

    accuracy: float
    coverage: float
    n_kept: int


def augrc(y_true: ArrayLike, y_score: ArrayLike) -> float:
    r"""Area under the generalised risk–coverage curve: risk of a silent failure, averaged.

    .. math:: \int P(\text{wrong}, s \ge \tau) \, dP(s \ge \tau)
        = (1 - A) \, a (1 - a) + \tfrac12 (1 - a)^2

    with :math:`A` the AUROC and :math:`a` the accuracy; trapezoids over the n samples give the
    right-hand side exactly, ties averaged. Lower means fewer errors are kept; a random score has
    (1 − a) / 2. Range: :math:`(0, 1/2)`.

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
        As in `auroc`.

    References
    ----------
    Traub et al. (2024), arXiv 2407.01032, eq. 7 and appendix.

    Examples
    --------
    >>> augrc([1, 0, 1, 0], [4, 3, 3, 1])
    0.15625
    """
    a = auroc(y_true, y_score)
    accuracy = float(np.mean(np.asarray(y_true) == 1))
    return (1 - a) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2


def accuracy_at_coverage(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    coverage: float,
    rng: np.random.Generator,
    n_folds: int = 5,
) -> SelectiveAccuracy:
    r"""Accuracy of the answers kept by a threshold chosen on other images.

    .. math:: \tau_f = q_{1-c}\{s_j : j \notin f\}, \qquad \text{keep } i \in f \text{ if }
        s_i \ge \tau_f

    with :math:`c` the coverage aimed at. Higher means more correct answers kept; beside it stands
    the coverage reached, which ties can push above the aim. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    groups : sequence, length n_samples
        Image of each sample.
    coverage : float in (0, 1]
        Share of answers to keep.
    rng : numpy.random.Generator
        Source of the split.
    n_folds : int, default 5
        Folds over images.

    Returns
    -------
    SelectiveAccuracy
        Accuracy, coverage reached, and number kept.

    Raises
    ------
    UndefinedMetricError
        If there are fewer images than folds, or nothing is kept.
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7 (ours).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> correct, score = np.arange(100) % 4 > 0, np.arange(100) % 4 + np.arange(100) / 1000
    >>> accuracy_at_coverage(correct, score, range(100), coverage=0.5, rng=rng).accuracy
    1.0
    """
    function = "accuracy_at_coverage"
    between(function, "coverage", coverage, 0, 1)
    at_least(function, "n_folds", n_folds, 2)
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, correct.size)
    group = codes(function, "groups", groups, correct.size)
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups < n_folds:
        raise UndefinedMetricError(f"{n_groups} groups for {n_folds} folds")
    fold = random_group_folds(group, n_folds=n_folds, rng=rng)
    kept = kept_by_other_folds(score, fold, coverage)
    if not kept.any():
        raise UndefinedMetricError(f"no answer reaches its threshold at coverage {coverage:g}")
    return SelectiveAccuracy(float(correct[kept].mean()), float(kept.mean()), int(kept.sum()))
