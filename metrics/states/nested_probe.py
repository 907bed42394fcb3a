"""One nested cross-fit of an L2 probe over layers, on coordinates that many of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.folds import balanced_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import States, layer_states, principal_coordinates
from metrics.fitting.logistic_columns import auroc_columns, logistic_columns


@dataclass(frozen=True)
class Layers:
    """Principal coordinates of every layer over all samples, None where a layer does not vary.

    They are made of the states alone: no label enters, so every split may share them.
    """

    coordinates: tuple[States | None, ...]

    @classmethod
    def of(cls, function: str, hidden: NDArray[np.floating], max_components: int | None) -> Layers:
        """Compute them; refuse states that are not finite or vary at no layer."""
        found = tuple(
            principal_coordinates(layer_states(function, hidden, layer), max_components)
            for layer in range(hidden.shape[1])
        )
        if all(z is None for z in found):
            raise UndefinedMetricError("the hidden states do not vary at any layer")
        return cls(found)


@dataclass(frozen=True)
class Split:
    """Outer fold of each sample; per outer fold the inner fold of its training rows, else −1."""

    fold: IntArray
    inner: IntArray

    @classmethod
    def draw(
        cls,
        label: BoolArray,
        group: IntArray,
        *,
        n_folds: int,
        n_inner: int,
        rng: np.random.Generator,
    ) -> Split:
        """Draw folds over groups, stratified by label."""
        fold = balanced_folds(label, group, n_folds=n_folds, rng=rng)
        inner = np.full((n_folds, label.size), -1)
        for f in range(n_folds):
            train = np.flatnonzero(fold != f)
            inner[f, train] = balanced_folds(label[train], group[train], n_folds=n_inner, rng=rng)
        return cls(fold, inner)


@dataclass(frozen=True)
class NestedFit:
    """Out-of-fold scores of one split; ``by_layer`` (n_layers, n) had the layer been fixed."""

    fold: IntArray
    scores: FloatArray
    layer_per_fold: IntArray
    c_per_fold: FloatArray
    by_layer: FloatArray


def nested_fit(layers: Layers, label: BoolArray, split: Split, cs: Sequence[float]) -> NestedFit:
    """Choose layer and C of each fold in its inner folds, and score what it holds out."""
    n_folds = len(split.inner)
    decisions = np.stack([_decisions(z, label, split, cs) for z in layers.coordinates])
    n_layers = len(decisions)
    by_layer = np.full((n_layers, label.size), np.nan)
    chosen, c_of = np.zeros(n_folds, np.int64), np.zeros((n_folds, n_layers), np.int64)
    for f in range(n_folds):
        own = decisions[:, :, f]  # layers, samples, inner folds and all, strengths
        aurocs = _inner_aurocs(own, label, split.inner[f])
        chosen[f], c_of[f] = aurocs.max(axis=1).argmax(), aurocs.argmax(axis=1)
        by_layer[:, split.fold == f] = _standardised(own, c_of[f], split, f)
    for layer, z in enumerate(layers.coordinates):
        if z is None:
            by_layer[layer] = np.nan
    return NestedFit(
        split.fold,
        by_layer[chosen[split.fold], np.arange(label.size)],
        chosen,
        np.asarray(cs, np.float64)[c_of[np.arange(n_folds), chosen]],
        by_layer,
    )


def _decisions(
    z: States | None, label: BoolArray, split: Split, cs: Sequence[float]
) -> NDArray[np.float32]:
    """Of every sample, shape (n, n_folds, n_inner + 1, n_cs): each inner fold left out, and none.

    Without the intercept: it says how many of the training answers are right, which ranks nothing
    within a fold and differs between folds. At a spread of 1 over all samples: weights under a
    strong penalty grow with the number of training answers. NaN for a layer that does not vary.
    """
    n_folds, n_inner = len(split.inner), int(split.inner.max()) + 1
    shape = label.size, n_folds, n_inner + 1, len(cs)
    if z is None:
        return np.full(shape, np.nan, np.float32)
    trained = (split.inner >= 0).T[:, :, None]
    used = trained & (split.inner.T[:, :, None] != np.r_[np.arange(n_inner), -1])
    columns = np.repeat(used.reshape(label.size, -1), len(cs), axis=1)
    strengths = np.tile(np.asarray(cs, np.float64), n_folds * (n_inner + 1))
    labels = np.broadcast_to(label[:, None], columns.shape)
    w, _ = logistic_columns(z, labels, columns, strengths)
    found: NDArray[np.float32] = z @ w
    spread = found.std(axis=0)
    found /= np.where(spread > 0, spread, 1)
    return found.reshape(shape)


def _inner_aurocs(own: NDArray[np.float32], label: BoolArray, inner: IntArray) -> FloatArray:
    """Mean over inner folds of the held-out AUROC, shape (n_layers, n_cs); −inf for no layer."""
    n_layers, _, n_inner, n_cs = own.shape
    found = []
    for i in range(n_inner - 1):
        rows = np.flatnonzero(inner == i)
        columns = own[:, rows, i].transpose(1, 0, 2).reshape(rows.size, -1)
        if 0 < label[rows].sum() < rows.size:
            found.append(auroc_columns(label[rows], np.nan_to_num(columns)))
    if not found:
        raise UndefinedMetricError("no inner fold has both classes")
    mean: FloatArray = np.mean(found, axis=0).reshape(n_layers, n_cs)
    mean[np.isnan(own[:, 0, 0, 0])] = -np.inf
    return mean


def _standardised(own: NDArray[np.float32], c_of: IntArray, split: Split, f: int) -> FloatArray:
    """Held-out decisions, by centre and spread of the inner held-out ones; (n_layers, n_test)."""
    train, test = np.flatnonzero(split.fold != f), np.flatnonzero(split.fold == f)
    at = np.arange(len(own))[:, None]
    inner = own[at, train, split.inner[f, train], c_of[:, None]].astype(np.float64)
    spread = inner.std(axis=1, keepdims=True)
    held_out = own[at, test, -1, c_of[:, None]].astype(np.float64)
    found: FloatArray = (held_out - inner.mean(axis=1, keepdims=True)) / np.where(
        spread > 0, spread, 1.0
    )
    return found
