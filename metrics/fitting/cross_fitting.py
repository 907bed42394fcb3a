"""Scores that need labels to be made, made without the scored image: calibration and fusion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import IsotonicRegression

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    finite_array,
    refuse,
    same_length,
)
from metrics.core.folds import dealt_folds, grouped_folds, require_classes, training_folds
from metrics.fitting.logistic import fused_by_fold
from metrics.fitting.platt import averaged_platt


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
    n_repeats: int = 20,
) -> FloatArray:
    r"""Probability of being correct, from any score, calibrated on other images.

    .. math:: p_i = \frac1R \sum_r \sigma(a_{rf} s_i + b_{rf}) \quad \text{or} \quad
        p_i = \frac1R \sum_r h_{rf}(s_i)

    with slope and offset (Platt), or a monotone step function h (isotonic), fitted on the folds
    without the image of sample i, in each of R splits: one split is a draw, and what it happens to
    give is no property of the score. Higher means more likely correct. Range: :math:`[0, 1]`.

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
    n_repeats : int, default 20
        Splits to average over.

    Returns
    -------
    float array, shape (n_samples,)
        Probabilities for `calibration_estimates`. Ranks across folds may
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
    score, label, splits = _splits(function, y_score, correct, groups, rng, n_folds, n_repeats)
    if method == "isotonic":
        mean: FloatArray = np.mean([_isotonic(score, label, fold) for fold in splits], axis=0)
        return mean
    return averaged_platt(score, label, splits)[0]


def transferred_probabilities(
    old_score: ArrayLike,
    old_correct: ArrayLike,
    new_score: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    n_repeats: int = 20,
) -> tuple[FloatArray, FloatArray]:
    r"""Probabilities of an old and a new run on the same samples, calibrated on the old one.

    .. math:: p^{old}_i = \frac1R \sum_r \sigma(a_{rf} s^{old}_i + b_{rf}), \qquad
        p^{new}_i = \frac1R \sum_r \sigma(a_{rf} s^{new}_i + b_{rf})

    with slope and offset fitted on the old run's folds without the image of sample i, in each of R
    splits. Labels of the new run are not used: what has drifted stays visible. Higher means more
    likely correct. Range: :math:`[0, 1]`.

    Parameters
    ----------
    old_score, new_score : float array, shape (n_samples,)
        The signal in either run; higher = more likely correct.
    old_correct : 0/1 array, shape (n_samples,)
        1 where the old run's answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the splits.
    n_folds : int, default 5
        Folds over images.
    n_repeats : int, default 20
        Splits to average over.

    Returns
    -------
    tuple of float array, shape (n_samples,)
        Of the old run, as `calibrated_probabilities` gives them, and of the new one.

    Raises
    ------
    UndefinedMetricError
        If a class is absent from the old run or in fewer groups than folds.
    ValueError
        If an argument is malformed.

    References
    ----------
    Platt (1999); the transfer is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(500) < 0.7
    >>> score = correct + rng.normal(size=500)
    >>> old, new = transferred_probabilities(score, correct, 8 * score, range(500), rng=rng)
    >>> bool(abs(new - 0.5).mean() > abs(old - 0.5).mean())
    True
    """
    function = "transferred_probabilities"
    score, label, splits = _splits(
        function, old_score, old_correct, groups, rng, n_folds, n_repeats
    )
    other = finite_array(function, "new_score", new_score)
    same_length(function, "new_score", other, label.size)
    old, new = averaged_platt(score, label, splits, [other])
    return old, new


def _splits(
    function: str,
    y_score: ArrayLike,
    correct: ArrayLike,
    groups: Labels,
    rng: np.random.Generator,
    n_folds: int,
    n_repeats: int,
) -> tuple[FloatArray, BoolArray, list[IntArray]]:
    label = binary_labels(function, "correct", correct)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, label.size)
    at_least(function, "n_repeats", n_repeats, 1)
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, 1, n_folds)
    return score, label, dealt_folds(label, group, n_folds=n_folds, n_repeats=n_repeats, rng=rng)


def _isotonic(score: FloatArray, label: BoolArray, fold: IntArray) -> FloatArray:
    prob = np.empty(label.size)
    for train, test in training_folds(label, fold):
        steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        prob[test] = steps.fit(score[train], label[train]).predict(score[test])
    return prob


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
    if not 0 < C < math.inf:
        raise refuse(function, "C", "finite and > 0", C)
    label = binary_labels(function, "correct", correct)
    columns = [finite_array(function, f"signals[{k}]", v) for k, v in signals.items()]
    for name, column in zip(signals, columns, strict=True):
        same_length(function, f"signals[{name}]", column, label.size)
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, 1, n_folds)
    fold = grouped_folds(label, group, n_folds=n_folds, rng=rng)
    scores, weights = fused_by_fold(np.stack(columns, axis=1), label, fold, c=C)
    return FusedScores(scores, tuple(signals), weights)
