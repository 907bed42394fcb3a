"""Other probes on the same folds as the L2 probe: a sparse one and a non-linear one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from metrics._checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    refuse,
    same_length,
)
from metrics._folds import grouped_folds, training_folds
from metrics._linear_probe import (
    Basis,
    FoldFit,
    States,
    check_states,
    layer_states,
    rising,
    sparse_path,
)
from metrics.errors import UndefinedMetricError
from metrics.probes import ProbeScores

L1_CS = (0.01, 0.03, 0.1, 0.3)
MLP_HIDDEN = 128


@dataclass(frozen=True)
class WeightedDimension:
    """A dimension that a sparse probe uses: mean standardised weight, in ``n_folds`` folds."""

    layer: int
    dimension: int
    weight: float
    n_folds: int


@dataclass(frozen=True)
class SparseProbeScores:
    """Out-of-fold scores of an L1 probe and the dimensions it needs, heaviest first.

    ``dimensions`` are those of the layer most folds chose, over the folds that chose it.
    """

    scores: FloatArray
    layer_per_fold: IntArray
    C_per_fold: FloatArray
    dimensions: tuple[WeightedDimension, ...]


def l1_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    reference: ProbeScores,
    rng: np.random.Generator,
    n_inner: int = 3,
    Cs: Sequence[float] = L1_CS,
) -> SparseProbeScores:
    r"""L1 logistic probe at the layers that the L2 probe chose, on its folds.

    .. math:: \arg\min_w \|w\|_1 + C \sum_{j \notin f} \ell(y_j, w^\top z_j + b)

    with :math:`z` the standardised state, not rotated, so that a weight belongs to a dimension.
    The layer of a fold is the one that inner validation of the L2 probe chose in its training part;
    :math:`C` is chosen anew by inner grouped folds, as there. The probe of a fold may keep no
    dimension: it tells its answers nothing, and they all score 0, the mean. Higher means more
    likely correct. Range: unbounded, about standardised.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    reference : ProbeScores
        Of `cross_fit_probe` on the same samples.
    rng : numpy.random.Generator
        Source of the inner splits.
    n_inner : int, default 3
        Inner folds.
    Cs : sequence of float, default 0.01 … 0.3
        Inverse strengths tried; the paper's strength 0.1 on a mean loss is C = 10 / n.

    Returns
    -------
    SparseProbeScores
        Scores and dimensions.

    Raises
    ------
    UndefinedMetricError
        If no fold's probe keeps a dimension, or the states do not vary at a chosen layer.
    ValueError
        If ``hidden`` is not finite, ``reference`` is of other samples, or an argument is malformed.

    References
    ----------
    Method §4; arXiv 2605.08200 uses :math:`\lambda = 0.1` on a row split.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 3, 8))
    >>> hidden[:, 2, 5] += 3 * correct
    >>> from metrics.probes import cross_fit_probe
    >>> reference = cross_fit_probe(hidden, correct, range(200), rng=rng)
    >>> found = l1_probe(hidden, correct, range(200), reference=reference, rng=rng)
    >>> found.dimensions[0].layer, found.dimensions[0].dimension
    (2, 5)
    """
    at_least("l1_probe", "n_inner", n_inner, 2)
    label = binary_labels("l1_probe", "correct", correct)
    _check_reference("l1_probe", hidden, label, reference)
    group = codes("l1_probe", "groups", groups, label.size)
    cs = rising("l1_probe", Cs)
    scores, fits = np.zeros(label.size), []
    for f, (train, test) in enumerate(training_folds(label, reference.fold)):
        z = _standardised("l1_probe", hidden, int(reference.layer_per_fold[f]), train)
        inner = grouped_folds(label[train], group[train], n_folds=n_inner, rng=rng)
        fit = FoldFit.fit(z[train], label[train], inner, cs, sparse_path)
        if fit.coef.any():
            scores[test] = fit.scores(z[test])
        fits.append(fit)
    if not any(fit.coef.any() for fit in fits):
        raise UndefinedMetricError("the L1 probe keeps no dimension in any fold")
    return SparseProbeScores(
        scores,
        reference.layer_per_fold,
        np.array([fit.c for fit in fits]),
        _dimensions([fit.coef for fit in fits], reference),
    )


def mlp_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    *,
    reference: ProbeScores,
    rng: np.random.Generator,
    n_epochs: int = 50,
) -> FloatArray:
    r"""Two-layer perceptron at the layers that the L2 probe chose, on its folds.

    .. math:: s_i = w_2^\top \mathrm{ReLU}(W_1 z_i + b_1) + b_2

    with 128 hidden units, Adam at a rate of 1e-4 and 50 epochs of batches of 32. Scores are
    log-odds, so folds compare as they are. Higher means more likely correct. Range: unbounded.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    reference : ProbeScores
        Of `cross_fit_probe` on the same samples.
    rng : numpy.random.Generator
        Source of the weights' start.
    n_epochs : int, default 50
        Passes over the training part.

    Returns
    -------
    float array, shape (n_samples,)
        Out-of-fold scores.

    Raises
    ------
    UndefinedMetricError
        If the states do not vary at a chosen layer.
    ValueError
        If ``hidden`` is not finite, ``reference`` is of other samples, or an argument is malformed.

    References
    ----------
    arXiv 2605.08200, eq. 6; the hidden size is ours, and the paper splits rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 2, 4))
    >>> hidden[:, 1, 0] += 4 * correct
    >>> from metrics.probes import cross_fit_probe
    >>> reference = cross_fit_probe(hidden, correct, range(200), rng=rng)
    >>> scores = mlp_probe(hidden, correct, reference=reference, rng=rng)
    >>> from metrics.discrimination import auroc
    >>> auroc(correct, scores) > 0.9
    True
    """
    at_least("mlp_probe", "n_epochs", n_epochs, 1)
    label = binary_labels("mlp_probe", "correct", correct)
    _check_reference("mlp_probe", hidden, label, reference)
    seed = int(rng.integers(2**31))
    scores = np.empty(label.size)
    for f, (train, test) in enumerate(training_folds(label, reference.fold)):
        z = _standardised("mlp_probe", hidden, int(reference.layer_per_fold[f]), train)
        scores[test] = _mlp(z[train], label[train], n_epochs, seed)(z[test])
    return scores


def _check_reference(
    function: str, hidden: NDArray[np.floating], label: BoolArray, reference: ProbeScores
) -> None:
    check_states(function, hidden, label.size)
    same_length(function, "reference.fold", reference.fold, label.size)
    last = int(reference.layer_per_fold.max())
    if last >= hidden.shape[1]:
        legal = f"of a probe on the same {hidden.shape[1]} layers"
        raise refuse(function, "reference", legal, f"one that chose layer {last}")


def _standardised(
    function: str, hidden: NDArray[np.floating], layer: int, train: IntArray
) -> States:
    """States of a layer, standardised on the training rows; not rotated: dimensions stay."""
    x = layer_states(function, hidden, layer)
    basis = Basis.standardising(x[train])
    if basis is None:
        raise UndefinedMetricError("the hidden states do not vary at the chosen layer")
    return basis.transform(x)


def _mlp(z: States, y: BoolArray, n_epochs: int, seed: int) -> Callable[[States], FloatArray]:
    model = MLPClassifier(
        (MLP_HIDDEN,), learning_rate_init=1e-4, max_iter=n_epochs, batch_size=min(32, y.size),
        n_iter_no_change=n_epochs, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed number of epochs is meant
        model.fit(z, y)

    def decide(x: States) -> FloatArray:
        p = np.clip(model.predict_proba(x)[:, 1].astype(np.float64), 1e-7, 1 - 1e-7)
        logit: FloatArray = np.log(p / (1 - p))
        return logit

    return decide


def _dimensions(weights: list[FloatArray], reference: ProbeScores) -> tuple[WeightedDimension, ...]:
    layers, counts = np.unique(reference.layer_per_fold, return_counts=True)
    layer = int(layers[counts.argmax()])
    own = np.array(
        [w for w, at in zip(weights, reference.layer_per_fold, strict=True) if at == layer]
    )
    mean, used = own.mean(axis=0), (own != 0).sum(axis=0)
    order = np.argsort(-np.abs(mean), kind="stable")
    return tuple(
        WeightedDimension(layer, int(d), float(mean[d]), int(used[d])) for d in order if used[d]
    )
