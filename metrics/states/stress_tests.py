"""Supervised stress tests: what can be read from attention maps with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    refuse,
)
from metrics.core.folds import balanced_folds, require_classes, training_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.mini_batches import Part, Recipe, log_odds
from metrics.fitting.out_of_fold import FEW_SHUFFLES
from metrics.fitting.permutation import shuffled_aurocs
from metrics.fitting.repeats import reported_repeat
from metrics.states.probes import MIN_PER_CLASS

N_FOLDS = 5
N_REPEATS, N_REPEATS_MLP = 10, 6
HIDDEN = (1024, 512)
BATCH, FEWEST_STEPS, FEWEST_EPOCHS = 64, 200, 10
WEIGHT_DECAY = 1e-2
MAX_INPUTS = 256
Folds = Sequence[tuple[IntArray, IntArray]]  # training rows, held-out rows
# labels, folds, seed -> scores of all samples
Decide = Callable[[BoolArray, Folds, int], FloatArray]


def attention_feature_scores(
    features: ArrayLike,
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_repeats: int = N_REPEATS,
    n_shuffles: int = FEW_SHUFFLES,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> FittedScores:
    r"""Out-of-fold log-odds of a tree ensemble on attention features, with their interactions.

    .. math:: s_i = \mathrm{logit}\, \hat p_{-f(i)}(\text{correct} \mid x_i)

    Gradient-boosted trees of depth 3 (so up to three features interact), grouped folds. Higher
    means more likely correct. Range: unbounded.

    Parameters
    ----------
    features : float array, shape (n_samples, n_features)
        From `attention_features`; NaN is legal and means missing.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of folds and of the ensemble's seed.
    n_repeats : int, default 10
        Splits, each with a seed of its own; the one in the middle by AUROC is reported.
    n_shuffles : int, default 4
        Permutations of the labels that it is fitted to besides, as a control.
    kinds, answers : sequence, length n_samples, optional
        Passed on to `fit_spread`.

    Returns
    -------
    FittedScores
        Out-of-fold scores, and what fitting adds to their standard error.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than 20 samples or sits in fewer groups than folds.
    ValueError
        If the shape of ``features`` does not fit.

    References
    ----------
    Method §2, supervised stress test (a).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 11))
    >>> scores = attention_feature_scores(x, x[:, 0] * x[:, 1] > 0, range(300), rng=rng).scores
    >>> scores.shape
    (300,)
    """
    x = np.asarray(features, dtype=np.float64)
    label, group = _labels("attention_feature_scores", x, correct, groups)
    at_least("attention_feature_scores", "n_repeats", n_repeats, 1)

    def decide(y: BoolArray, folds: Folds, seed: int) -> FloatArray:
        decisions = np.empty(y.size)
        for train, test in folds:
            model = HistGradientBoostingClassifier(
                max_depth=3, max_iter=100, learning_rate=0.05, random_state=seed
            )
            decisions[test] = model.fit(x[train], y[train]).decision_function(x[test])
        return decisions

    found = [_cross_fit(label, group, decide, rng) for _ in range(n_repeats)]
    return _reported(found, label, group, decide, rng, n_shuffles, kinds, answers)


def attention_mlp_scores(
    layer_maps: Sequence[NDArray[np.floating]],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_repeats: int = N_REPEATS_MLP,
    n_shuffles: int = FEW_SHUFFLES,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> FittedScores:
    r"""Out-of-fold log-odds of a perceptron on the maps of all layers.

    .. math:: s_i = \mathrm{logit}\, \mathrm{MLP}_{-f(i)}([m_i^{(1)}, \dots, m_i^{(L)}])

    with layers 1024 → 512 → 1, as in the paper, but none wider than the input (the second: half of
    it). Trained as scikit-learn does, without dropout: weight decay of 0.01 and few passes (10, or
    as many as make 200 steps) stand for it. Of more than 256 inputs it sees the leading principal
    axes, as probes do. Maps on different grids are first brought to the smallest height and width
    among them by area, which keeps the mass of every region. Higher means more likely correct.
    Range: unbounded.

    Parameters
    ----------
    layer_maps : sequence of float array, each of shape (n_layers, height, width)
        One per sample; the number of layers is the same.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of folds and of the weights' start.
    n_repeats : int, default 6
        Splits, each with a seed of its own; the one in the middle by AUROC is reported.
    n_shuffles : int, default 4
        Permutations of the labels that it is fitted to besides, as a control.
    kinds, answers : sequence, length n_samples, optional
        Passed on to `fit_spread`.

    Returns
    -------
    FittedScores
        Out-of-fold scores, and what fitting adds to their standard error.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than 20 samples or sits in fewer groups than folds.
    ValueError
        If a map is not finite or not 3-dimensional, or the numbers of layers or lengths differ.

    References
    ----------
    Method §2, supervised stress test (b); arXiv 2606.17389 (1024 → 512 → 1, dropout 0.1).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(120) % 2
    >>> maps = rng.random((120, 2, 4, 4))
    >>> maps[:, 1, 0, 0] += 3 * label
    >>> scores = attention_mlp_scores(list(maps), label, range(120), rng=rng).scores
    >>> bool(scores[label == 1].mean() > scores[label == 0].mean())
    True
    """
    _check_maps("attention_mlp_scores", layer_maps)
    x = _on_one_grid(layer_maps).astype(np.float32)
    label, group = _labels("attention_mlp_scores", x, correct, groups)
    at_least("attention_mlp_scores", "n_repeats", n_repeats, 1)
    inputs = _inputs(x)
    hidden = (min(HIDDEN[0], inputs.shape[1]), min(HIDDEN[1], max(1, inputs.shape[1] // 2)))
    n_epochs = max(FEWEST_EPOCHS, -(-FEWEST_STEPS * BATCH // label.size))

    recipe = Recipe(hidden, rate=1e-3, decay=WEIGHT_DECAY, batch=BATCH, epochs=n_epochs)

    def decide(y: BoolArray, folds: Folds, seed: int) -> FloatArray:
        return log_odds([Part(inputs, *own) for own in folds], y, recipe, seed)

    found = [_cross_fit(label, group, decide, rng) for _ in range(n_repeats)]
    return _reported(found, label, group, decide, rng, n_shuffles, kinds, answers)


def _reported(
    found: list[FloatArray],
    label: BoolArray,
    group: IntArray,
    decide: Decide,
    rng: np.random.Generator,
    n_shuffles: int,
    kinds: Labels | None,
    answers: Labels | None,
) -> FittedScores:
    chosen, spread = reported_repeat(label, found, kinds=kinds, answers=answers)
    if spread is not None and n_shuffles:
        shuffled = shuffled_aurocs(
            label, group, lambda y: _cross_fit(y, group, decide, rng), rng, n_shuffles
        )
        spread = spread.beside(float(auroc_columns(label, found[chosen][:, None])[0]), shuffled)
    return FittedScores(found[chosen], spread)


def _cross_fit(
    label: BoolArray,
    group: IntArray,
    decide: Decide,
    rng: np.random.Generator,
) -> FloatArray:
    fold = balanced_folds(label, group, n_folds=N_FOLDS, rng=rng)
    seed = int(rng.integers(2**31))
    return decide(label, list(training_folds(label, fold)), seed)


def _inputs(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardised inputs; of many the leading axes, at a mean square of 1."""
    if x.shape[1] <= MAX_INPUTS:
        mean, spread = x.mean(axis=0), x.std(axis=0)
        plain: NDArray[np.float32] = (x - mean) / np.where(spread > 0, spread, 1)
        return plain
    z = principal_coordinates(x, MAX_INPUTS)
    if z is None:
        raise UndefinedMetricError("the maps do not vary")
    scaled: NDArray[np.float32] = z / np.sqrt(np.square(z).mean())
    return scaled


def _labels(
    function: str, x: NDArray[np.floating], correct: ArrayLike, groups: Labels
) -> tuple[BoolArray, NDArray[np.int64]]:
    label = binary_labels(function, "correct", correct)
    if x.ndim != 2 or len(x) != label.size:
        raise refuse(function, "features or maps", f"of {label.size} samples", f"shape {x.shape}")
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, MIN_PER_CLASS, N_FOLDS)
    return label, group


def _check_maps(function: str, layer_maps: Sequence[NDArray[np.floating]]) -> None:
    odd = next((maps.shape for maps in layer_maps if maps.ndim != 3), None)
    if odd is not None:
        raise refuse(function, "layer_maps", "(n_layers, height, width) each", f"shape {odd}")
    n_layers = sorted({len(maps) for maps in layer_maps})
    if len(n_layers) > 1:
        raise refuse(function, "layer_maps", "of one number of layers", n_layers)
    n_bad = sum(not np.isfinite(maps).all() for maps in layer_maps)
    if n_bad:
        raise refuse(function, "layer_maps", "finite", f"{n_bad} maps that are not")


def _on_one_grid(layer_maps: Sequence[NDArray[np.floating]]) -> FloatArray:
    """Flattened maps, shape (n_samples, n_layers * height * width)."""
    if not len(layer_maps):
        raise UndefinedMetricError("no maps")
    height = min(maps.shape[1] for maps in layer_maps)
    width = min(maps.shape[2] for maps in layer_maps)
    resized = [
        _overlap(maps.shape[1], height) @ maps @ _overlap(maps.shape[2], width).T
        for maps in layer_maps
    ]
    return np.stack(resized).reshape(len(resized), -1)


def _overlap(n_from: int, n_to: int) -> FloatArray:
    """Share of each source cell that falls in each target cell, shape (n_to, n_from)."""
    source = np.arange(n_from + 1) / n_from
    target = np.arange(n_to + 1) / n_to
    low = np.maximum(target[:-1, None], source[None, :-1])
    high = np.minimum(target[1:, None], source[None, 1:])
    share: FloatArray = np.clip(high - low, 0, None) * n_from
    return share
