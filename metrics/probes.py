"""Can the hidden state tell right from wrong? Scores that were never fitted on the scored image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
)
from metrics._folds import grouped_folds, require_classes, training_folds
from metrics._linear_probe import (
    Basis,
    FoldFit,
    States,
    auroc_or_nan,
    check_states,
    layer_states,
    logistic_path,
    rising,
)
from metrics.errors import UndefinedMetricError

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1)
MIN_PER_CLASS = 20


@dataclass(frozen=True)
class ProbeScores:
    """Out-of-fold scores of a probe, and how they came about.

    ``scores`` and ``fold`` have one entry per sample, ``layer_per_fold`` and ``C_per_fold`` one per
    fold. ``auroc_by_layer[l]`` is the out-of-fold AUROC had layer l been fixed beforehand; NaN
    where the layer does not vary. Its maximum is a choice made on the reported data: the figure to
    report is the AUROC of ``scores``.
    """

    scores: FloatArray
    fold: IntArray
    layer_per_fold: IntArray
    C_per_fold: FloatArray
    auroc_by_layer: FloatArray


@dataclass(frozen=True)
class _LayerResult:
    """One layer in every outer fold: what inner validation chose, and the held-out scores."""

    inner_auroc: FloatArray
    c: FloatArray
    scores: FloatArray


def cross_fit_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    n_inner: int = 3,
    Cs: Sequence[float] = DEFAULT_CS,
    min_per_class: int = MIN_PER_CLASS,
    max_components: int | None = 256,
) -> ProbeScores:
    r"""Nested, grouped cross-fitting of an L2 logistic probe over layers.

    .. math:: s_i = \frac{w_f^\top z_i + b_f - \mu_f}{\sigma_f}, \qquad
        (w_f, b_f) = \arg\min \tfrac12 \|w\|^2 + C \sum_{j \notin f} \ell(y_j, w^\top z_j + b)

    with :math:`z` the standardised state at the layer chosen for fold :math:`f`, and :math:`f` the
    fold of sample :math:`i`. Scaling, rotation, layer and :math:`C` are chosen in the training
    folds by the mean AUROC of inner grouped folds (ties: the earlier layer, the smaller C).
    :math:`\mu_f, \sigma_f` are mean and spread of the *inner out-of-fold* decision values: they
    make folds comparable without using a label, and cannot turn a probe round as a Platt slope can.
    Higher means more likely correct. Range: unbounded, about standardised.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first; float16 and float32 are worked on a layer at a time.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample; an image is never on both sides.
    rng : numpy.random.Generator
        Source of the splits.
    n_folds, n_inner : int, default 5 and 3
        Outer and inner folds, stratified by label.
    Cs : sequence of float, default 1e-4 … 1e-1
        Inverse strengths tried.
    min_per_class : int, default 20
        Least number of correct and of wrong answers.
    max_components : int or None, default 256
        With more dimensions than this, the probe sees the leading principal axes of the training
        folds only (3,000 × 4,096: 8 s a layer on one core, so 33 layers take about 4 minutes).
        None keeps all of them (exact, and many times slower).

    Returns
    -------
    ProbeScores
        Scores, choices, and the curve over layers.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than ``min_per_class`` samples or sits in fewer groups than folds, or
        no layer varies.
    ValueError
        If ``hidden`` is not finite or not 3-dimensional, or another argument is malformed.

    References
    ----------
    Method §4 (ours). arXiv 2605.08200 splits rows 80/20 and chooses the layer on reported data.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 3, 4))
    >>> hidden[:, 2, 0] += 3 * correct
    >>> found = cross_fit_probe(hidden, correct, np.arange(200), rng=rng)
    >>> found.layer_per_fold.tolist(), auroc_or_nan(correct == 1, found.scores) > 0.9
    ([2, 2, 2, 2, 2], True)
    """
    at_least("cross_fit_probe", "n_folds", n_folds, 2)
    at_least("cross_fit_probe", "n_inner", n_inner, 2)
    label = binary_labels("cross_fit_probe", "correct", correct)
    check_states("cross_fit_probe", hidden, label.size)
    cs = rising("cross_fit_probe", Cs)
    group = codes("cross_fit_probe", "groups", groups, label.size)
    require_classes(label, group, min_per_class, n_folds)

    fold = grouped_folds(label, group, n_folds=n_folds, rng=rng)
    splits = list(training_folds(label, fold))
    inner = [grouped_folds(label[t], group[t], n_folds=n_inner, rng=rng) for t, _ in splits]
    layers = [
        _cross_fit_layer(
            layer_states("cross_fit_probe", hidden, layer), label, splits, inner, cs, max_components
        )
        for layer in range(hidden.shape[1])
    ]
    inner_auroc = np.array([layer.inner_auroc for layer in layers])
    if np.isneginf(inner_auroc).all(axis=0).any():
        raise UndefinedMetricError("the hidden states do not vary at any layer")
    chosen = inner_auroc.argmax(axis=0)
    return ProbeScores(
        scores=np.array([layer.scores for layer in layers])[chosen[fold], np.arange(fold.size)],
        fold=fold,
        layer_per_fold=chosen,
        C_per_fold=np.array([layers[c].c[f] for f, c in enumerate(chosen)]),
        auroc_by_layer=np.array([auroc_or_nan(label, layer.scores) for layer in layers]),
    )


def last_layers_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_last: int = 5,
) -> ProbeScores:
    r"""L2 probe on the states of the last layers, put side by side.

    .. math:: z_i = [h_i^{(L - k + 1)}, \dots, h_i^{(L)}]

    Higher means more likely correct. Range: unbounded, about standardised.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the splits; seeded alike, the folds are those of `cross_fit_probe`.
    n_last : int, default 5
        Number of layers.

    Returns
    -------
    ProbeScores
        As of one layer.

    Raises
    ------
    UndefinedMetricError
        As in `cross_fit_probe`.
    ValueError
        If there are not as many layers, or an argument is malformed.

    References
    ----------
    Method §4; arXiv 2605.08200 (last-five-layers variant).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 6, 4)) + correct[:, None, None]
    >>> found = last_layers_probe(hidden, correct, range(200), rng=rng)
    >>> auroc_or_nan(correct == 1, found.scores) > 0.9
    True
    """
    at_least("last_layers_probe", "n_last", n_last, 1)
    check_states("last_layers_probe", hidden, len(hidden))
    at_least("last_layers_probe", "hidden.shape[1]", hidden.shape[1], n_last)
    beside = hidden[:, -n_last:].reshape(len(hidden), 1, -1)
    return cross_fit_probe(beside, correct, groups, rng=rng)


def _cross_fit_layer(
    x: States,
    label: BoolArray,
    splits: list[tuple[IntArray, IntArray]],
    inner: list[IntArray],
    cs: tuple[float, ...],
    max_components: int | None,
) -> _LayerResult:
    result = _LayerResult(
        np.full(len(splits), -np.inf), np.full(len(splits), np.nan), np.full(len(x), np.nan)
    )
    for f, (train, test) in enumerate(splits):
        basis = Basis.fit(x[train], max_components)
        if basis is None:
            continue
        fit = FoldFit.fit(basis.transform(x[train]), label[train], inner[f], cs, logistic_path)
        result.scores[test] = fit.scores(basis.transform(x[test]))
        result.inner_auroc[f], result.c[f] = fit.inner_auroc, fit.c
    return result
