"""Supervised stress tests: what can be read from attention maps with labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from metrics._checks import (
    BoolArray,
    FloatArray,
    Labels,
    binary_labels,
    codes,
    refuse,
    share_of_one,
)
from metrics._folds import grouped_folds, require_classes, training_folds
from metrics._maps import top_cells, weights_of
from metrics.attention import (
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from metrics.errors import UndefinedMetricError
from metrics.probes import MIN_PER_CLASS

N_FEATURES = 11
N_FOLDS = 5
HIDDEN = (1024, 512)
BATCH, FEWEST_STEPS, FEWEST_EPOCHS = 64, 200, 10
WEIGHT_DECAY = 1e-2


def attention_features(layer_maps: ArrayLike, *, image_mass: float) -> dict[str, float]:
    r"""Eleven numbers that describe how a model looked at an image.

    .. math:: (H_s, H_s / \ln S, C_k, C_8, \max M, M_{10\%}, \mu, \Delta H, \min_{first} \Delta H,
        \Delta H_L, n_{re})

    of the mean map :math:`M` and of the entropies of the layers' maps: entropy (raw, normalised),
    clusters, components, peak, mass of the top 10 % cells, attention mass on the image, entropy
    of the last layer less the first, most negative difference of the first third (the lock), last
    difference, number of re-sharpenings. No direction: features of a classifier. Range: that of
    each quantity.

    Parameters
    ----------
    layer_maps : float array, shape (n_layers, height, width)
        Non-negative weights, at least two layers.
    image_mass : float
        Share of attention on the image before renormalising, mean over layers.

    Returns
    -------
    dict of str to float
        Always the same eleven names, in the same order.

    Raises
    ------
    UndefinedMetricError
        If a layer's map sums to zero, the mean map is constant or there is one layer only.
    ValueError
        If a weight is negative or not finite, or the image's mass is no share.

    References
    ----------
    arXiv 2606.17389 trains a classifier on attention features and names no list; this one is ours.

    Examples
    --------
    >>> maps = np.ones((3, 4, 4))
    >>> maps[:, 0, 0] = [2, 4, 8]
    >>> found = attention_features(maps, image_mass=0.3)
    >>> len(found), found["image_attention_mass"], found["cluster_count"]
    (11, 0.3, 0.0)
    """
    share_of_one("attention_features", "image_mass", image_mass, slack=1e-2)  # summed in bfloat16
    maps = weights_of("attention_features", "layer_maps", layer_maps, (3,))
    entropies = entropy_by_layer(maps)
    evolution = entropy_evolution(entropies)
    maps = np.ldexp(maps, -np.frexp(maps.max(axis=(1, 2), keepdims=True))[1])
    mean = (maps / maps.sum(axis=(1, 2), keepdims=True)).mean(axis=0)
    n_first = max(1, int(np.ceil(len(maps) / 3)) - 1)
    return {
        "spatial_entropy": spatial_entropy(mean),
        "spatial_entropy_normalized": spatial_entropy(mean, normalize=True),
        "cluster_count": float(cluster_count(mean)),
        "component_count": float(connected_component_count(mean)),
        "peak": float(mean.max()),
        "top_mass": float(mean[top_cells("attention_features", mean, 0.10)].sum()),
        "image_attention_mass": float(image_mass),
        "entropy_evolution": evolution.total,
        "lock_depth": float(evolution.deltas[:n_first].min()),
        "final_diffusion": evolution.final_diffusion,
        "resharpenings": float(evolution.n_resharpenings),
    }


def attention_feature_scores(
    features: ArrayLike, correct: ArrayLike, groups: Labels, *, rng: np.random.Generator
) -> FloatArray:
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

    Returns
    -------
    float array, shape (n_samples,)
        Out-of-fold scores.

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
    >>> scores = attention_feature_scores(x, x[:, 0] * x[:, 1] > 0, range(300), rng=rng)
    >>> scores.shape
    (300,)
    """
    x = np.asarray(features, dtype=np.float64)
    label, group = _labels("attention_feature_scores", x, correct, groups)
    fold = grouped_folds(label, group, n_folds=N_FOLDS, rng=rng)
    seed = int(rng.integers(2**31))
    scores = np.empty(label.size)
    for train, test in training_folds(label, fold):
        model = HistGradientBoostingClassifier(
            max_depth=3, max_iter=100, learning_rate=0.05, random_state=seed
        )
        scores[test] = model.fit(x[train], label[train]).decision_function(x[test])
    return scores


def attention_mlp_scores(
    layer_maps: Sequence[NDArray[np.floating]],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
) -> FloatArray:
    r"""Out-of-fold log-odds of a perceptron on the maps of all layers.

    .. math:: s_i = \mathrm{logit}\, \mathrm{MLP}_{-f(i)}([m_i^{(1)}, \dots, m_i^{(L)}])

    with layers 1024 → 512 → 1, as in the paper, but none wider than the input (the second: half of
    it). scikit-learn has no dropout: weight decay of 0.01 and few passes (10, or as many as make
    200 steps) stand for it. Maps on different grids are first brought to the smallest height and
    width among them by area, which keeps the mass of every region. Higher means more likely
    correct. Range: unbounded.

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

    Returns
    -------
    float array, shape (n_samples,)
        Out-of-fold scores.

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
    >>> scores = attention_mlp_scores(list(maps), label, range(120), rng=rng)
    >>> bool(scores[label == 1].mean() > scores[label == 0].mean())
    True
    """
    _check_maps("attention_mlp_scores", layer_maps)
    x = _on_one_grid(layer_maps).astype(np.float32)
    label, group = _labels("attention_mlp_scores", x, correct, groups)
    fold = grouped_folds(label, group, n_folds=N_FOLDS, rng=rng)
    seed = int(rng.integers(2**31))
    hidden = (min(HIDDEN[0], x.shape[1]), min(HIDDEN[1], max(1, x.shape[1] // 2)))
    n_epochs = max(FEWEST_EPOCHS, -(-FEWEST_STEPS * BATCH // label.size))
    scores = np.empty(label.size)
    for train, test in training_folds(label, fold):
        mean, spread = x[train].mean(axis=0), x[train].std(axis=0)
        z = (x - mean) / np.where(spread > 0, spread, 1)
        model = MLPClassifier(
            hidden, alpha=WEIGHT_DECAY, max_iter=n_epochs, batch_size=min(BATCH, train.size),
            n_iter_no_change=n_epochs, random_state=seed,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is meant
            model.fit(z[train], label[train])
        p = np.clip(model.predict_proba(z[test])[:, 1].astype(np.float64), 1e-7, 1 - 1e-7)
        scores[test] = np.log(p / (1 - p))
    return scores


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
