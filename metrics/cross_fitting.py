"""Scores that need labels to be made, made without the scored image: calibration and fusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import (
    FloatArray,
    Labels,
    binary_labels,
    codes,
    finite_array,
    refuse,
    same_length,
)
from metrics._folds import grouped_folds, require_classes
from metrics._logistic import fused_by_fold, probabilities_by_fold


@dataclass(frozen=True)
class FusedScores:
    """Out-of-fold log-odds, and the weight of each z-scored signal per fold."""

    scores: FloatArray
    names: tuple[str, ...]
    weights: FloatArray


def calibrated_probabilities(
    y_score: ArrayLike,
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    method: Literal["platt", "isotonic"] = "platt",
    n_folds: int = 5,
) -> FloatArray:
    r"""Probability of being correct, from any score, calibrated on other images.

    .. math:: p_i = \sigma(a_f s_i + b_f) \quad \text{or} \quad p_i = g_f(s_i)

    with slope and offset (Platt), or a monotone step function g (isotonic), fitted on the folds
    without the image of sample i. Higher means more likely correct. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the split.
    method : {"platt", "isotonic"}, default "platt"
        Isotonic needs about a thousand samples.
    n_folds : int, default 5
        Folds over images.

    Returns
    -------
    float array, shape (n_samples,)
        Probabilities for `expected_calibration_error` and `brier_loss`. Ranks across folds may
        differ from those of the score: take AUROC of the score itself.

    Raises
    ------
    UndefinedMetricError
        If a class is absent or in fewer groups than folds.
    ValueError
        If an argument is malformed or the method unknown.

    References
    ----------
    Platt (1999); Zadrozny and Elkan (2002).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(500) < 0.7
    >>> p = calibrated_probabilities(correct + rng.normal(size=500), correct, range(500), rng=rng)
    >>> bool(abs(p.mean() - correct.mean()) < 0.02)
    True
    """
    function = "calibrated_probabilities"
    if method not in ("platt", "isotonic"):
        raise refuse(function, "method", '"platt" or "isotonic"', repr(method))
    label = binary_labels(function, "correct", correct)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, label.size)
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, 1, n_folds)
    fold = grouped_folds(label, group, n_folds=n_folds, rng=rng)
    return probabilities_by_fold(score, label, fold, method=method)


def fused_scores(
    signals: Mapping[str, ArrayLike],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    C: float = 1.0,
) -> FusedScores:
    r"""Cross-fitted logistic regression on z-scored signals.

    .. math:: s_i = b_f + \sum_m w_{fm} \frac{x_{im} - \mu_{fm}}{\sigma_{fm}}

    with everything fitted on the folds without the image of sample i. These are scores of one
    split, taken as given: an interval that is about the procedure needs several of them and
    `fit_spread`. Higher means more likely correct. Range: unbounded log-odds.

    Parameters
    ----------
    signals : mapping of str to float array, shape (n_samples,)
        Complete signals; leave out samples that miss one.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the split.
    n_folds : int, default 5
        Folds over images.
    C : float, default 1.0
        Inverse strength of the L2 penalty.

    Returns
    -------
    FusedScores
        Scores; names and weights, shape (n_folds, n_signals).

    Raises
    ------
    UndefinedMetricError
        If a class is absent or in fewer groups than folds.
    ValueError
        If there are no signals or an argument is malformed.

    References
    ----------
    arXiv 2606.17389, eq. 10; cross-fitting by image is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(400) < 0.6
    >>> signals = {"good": correct + rng.normal(size=400), "noise": rng.normal(size=400)}
    >>> found = fused_scores(signals, correct, range(400), rng=rng)
    >>> good, noise = abs(found.weights).mean(axis=0)
    >>> bool(good > 3 * noise)
    True
    """
    function = "fused_scores"
    if not signals:
        raise refuse(function, "signals", "at least one signal", "none")
    label = binary_labels(function, "correct", correct)
    columns = [finite_array(function, f"signals[{k}]", v) for k, v in signals.items()]
    for name, column in zip(signals, columns, strict=True):
        same_length(function, f"signals[{name}]", column, label.size)
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, 1, n_folds)
    fold = grouped_folds(label, group, n_folds=n_folds, rng=rng)
    scores, weights = fused_by_fold(np.stack(columns, axis=1), label, fold, c=C)
    return FusedScores(scores, tuple(signals), weights)
