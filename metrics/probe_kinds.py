"""Other probes on the same folds as the L2 probe: a sparse one and a non-linear one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from metrics._checks import BoolArray, FloatArray, IntArray, Labels, at_least, binary_labels, codes
from metrics._folds import grouped_folds, training_folds
from metrics._linear_probe import Basis, States
from metrics.discrimination import auroc
from metrics.errors import UndefinedMetricError
from metrics.probes import ProbeScores

L1_CS = (0.01, 0.03, 0.1, 0.3)
MLP_HIDDEN = 128

# fits a model on (states, labels) and returns what maps states to decision values, and weights
Fit = Callable[[States, BoolArray], tuple[Callable[[States], FloatArray], FloatArray]]


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
    :math:`C` is chosen anew by inner grouped folds. Higher means more likely correct. Range:
    unbounded, about standardised.

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
        If every weight is zero in some fold.

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
    group = codes("l1_probe", "groups", groups, label.size)
    fits = {float(c): _l1_fit(float(c)) for c in sorted(Cs)}
    found = _refit(hidden, label, group, reference, fits, rng, n_inner)
    return SparseProbeScores(
        found.scores, reference.layer_per_fold, found.chosen, _dimensions(found.weights, reference)
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
    log-odds, so folds compare as they are. Higher means more likely
    correct. Range: unbounded.

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
    ValueError
        If a label is not 0 or 1, or lengths differ.

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
    >>> auroc(correct, scores) > 0.9
    True
    """
    at_least("mlp_probe", "n_epochs", n_epochs, 1)
    label = binary_labels("mlp_probe", "correct", correct)
    seed = int(rng.integers(2**31))
    scores = np.empty(label.size)
    for f, (train, test) in enumerate(training_folds(label, reference.fold)):
        x, basis = _standardised(hidden, int(reference.layer_per_fold[f]), train)
        decide = _mlp(basis.transform(x[train]), label[train], n_epochs, seed)
        scores[test] = decide(basis.transform(x[test]))
    return scores


@dataclass(frozen=True)
class _Refitted:
    """Scores, and the setting and weights of each fold."""

    scores: FloatArray
    chosen: FloatArray
    weights: list[FloatArray]


def _refit(
    hidden: NDArray[np.floating],
    label: BoolArray,
    group: IntArray,
    reference: ProbeScores,
    fits: dict[float, Fit],
    rng: np.random.Generator,
    n_inner: int,
) -> _Refitted:
    """Fit on each outer training part; settings, centre and spread come from inner folds."""
    scores, chosen, weights = np.full(label.size, np.nan), [], []
    for f, (train, test) in enumerate(training_folds(label, reference.fold)):
        x, basis = _standardised(hidden, int(reference.layer_per_fold[f]), train)
        z, y = basis.transform(x[train]), label[train]
        inner = grouped_folds(y, group[train], n_folds=n_inner, rng=rng)
        decisions = {setting: _out_of_fold(z, y, inner, fit) for setting, fit in fits.items()}
        best = max(fits, key=lambda setting: _auroc_or_half(y, decisions[setting]))
        decide, weight = fits[best](z, y)
        spread = float(decisions[best].std())
        centred = decide(basis.transform(x[test])) - decisions[best].mean()
        scores[test] = centred / (spread if spread > 0 else 1.0)
        chosen.append(best)
        weights.append(weight)
    return _Refitted(scores, np.array(chosen), weights)


def _standardised(
    hidden: NDArray[np.floating], layer: int, train: IntArray
) -> tuple[States, Basis]:
    """States of a layer, and their standardisation on the training rows, without rotation."""
    x = hidden[:, layer].astype(np.float32)
    basis = Basis.fit(x[train], None)
    if basis is None:
        raise UndefinedMetricError("the hidden states do not vary at the chosen layer")
    return x, Basis(basis.mean, basis.inverse_scale, None)


def _out_of_fold(z: States, y: BoolArray, fold: IntArray, fit: Fit) -> FloatArray:
    decisions = np.empty(y.size)
    for train, test in training_folds(y, fold):
        decisions[test] = fit(z[train], y[train])[0](z[test])
    return decisions


def _auroc_or_half(y: BoolArray, scores: FloatArray) -> float:
    return 0.5 if scores.min() == scores.max() else auroc(y, scores)


def _l1_fit(c: float) -> Fit:
    def fit(z: States, y: BoolArray) -> tuple[Callable[[States], FloatArray], FloatArray]:
        model = LogisticRegression(l1_ratio=1.0, C=c, solver="liblinear", random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z.astype(np.float64), y)
        return (
            lambda x: np.asarray(model.decision_function(x), dtype=np.float64),
            model.coef_[0].astype(np.float64),
        )

    return fit


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
