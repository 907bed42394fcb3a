"""A sparse probe on the splits of the L2 probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
)
from metrics.core.folds import balanced_folds, training_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread
from metrics.fitting.linear_probe import FoldFit, States, rising, sparse_path
from metrics.fitting.repeats import reported_repeat
from metrics.states.probe_reference import N_REPEATS, check_reference, standardised_states
from metrics.states.probes import ProbeScores

L1_CS = (0.01, 0.03, 0.1, 0.3)
ROUGH = 1e-3  # tolerance where strengths are only compared


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

    ``dimensions`` are those of the layer most folds chose, over the folds that chose it. All is of
    the reported repeat; ``fit`` is None below 4 of them.
    """

    scores: FloatArray
    layer_per_fold: IntArray
    C_per_fold: FloatArray
    dimensions: tuple[WeightedDimension, ...]
    fit: FitSpread | None = None


def l1_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    reference: ProbeScores,
    rng: np.random.Generator,
    n_inner: int = 3,
    Cs: Sequence[float] = L1_CS,
    n_repeats: int = N_REPEATS,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> SparseProbeScores:
    r"""L1 logistic probe at the layers that the L2 probe chose, on its splits.

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
    n_repeats : int, default 6
        How many of the reference's splits; the one in the middle by AUROC is reported.
    kinds, answers : sequence, length n_samples, optional
        Passed on to `fit_spread`.

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
    >>> from metrics.states.probes import cross_fit_probe
    >>> reference = cross_fit_probe(hidden, correct, range(200), rng=rng)
    >>> found = l1_probe(
    ...     hidden, correct, range(200), reference=reference, rng=rng, n_repeats=4
    ... )
    >>> found.dimensions[0].layer, found.dimensions[0].dimension
    (2, 5)
    """
    at_least("l1_probe", "n_inner", n_inner, 2)
    label = binary_labels("l1_probe", "correct", correct)
    check_reference("l1_probe", hidden, label, reference)
    group = codes("l1_probe", "groups", groups, label.size)
    cs = rising("l1_probe", Cs)
    at_least("l1_probe", "n_repeats", n_repeats, 1)
    found = [
        _l1_split(hidden, label, group, split, rng, n_inner=n_inner, cs=cs)
        for split in reference.repeats[:n_repeats]
    ]
    chosen, spread = reported_repeat(
        label, [scores for scores, _ in found], kinds=kinds, answers=answers
    )
    scores, fits = found[chosen]
    if not any(fit.coef.any() for fit in fits):
        raise UndefinedMetricError("the L1 probe keeps no dimension in any fold")
    layer_per_fold = reference.repeats[chosen][1]
    return SparseProbeScores(
        scores,
        layer_per_fold,
        np.array([fit.c for fit in fits]),
        _dimensions([fit.coef for fit in fits], layer_per_fold),
        spread,
    )


def _l1_split(
    hidden: NDArray[np.floating],
    label: BoolArray,
    group: IntArray,
    split: tuple[IntArray, IntArray],
    rng: np.random.Generator,
    *,
    n_inner: int = 3,
    cs: tuple[float, ...] = L1_CS,
) -> tuple[FloatArray, list[FoldFit]]:
    """Scores and fits of one split, (folds, layer of each); what keeps nothing scores 0."""
    scores, fits = np.zeros(label.size), []
    rough = partial(_weights, tolerance=ROUGH)
    for f, (train, test) in enumerate(training_folds(label, split[0])):
        z = standardised_states("l1_probe", hidden, int(split[1][f]), train)
        inner = balanced_folds(label[train], group[train], n_folds=n_inner, rng=rng)
        fit = FoldFit.fit(z[train], label[train], inner, cs, _weights, rough)
        if fit.coef.any():
            scores[test] = fit.scores(z[test])
        fits.append(fit)
    return scores, fits


def _weights(
    z: States, y: BoolArray, cs: tuple[float, ...], *, tolerance: float = 1e-6
) -> list[tuple[FloatArray, float]]:
    """Without the intercept, which differs between folds and ranks nothing within one."""
    return [(coef, 0.0) for coef, _ in sparse_path(z, y, cs, tolerance=tolerance)]


def _dimensions(
    weights: list[FloatArray], layer_per_fold: IntArray
) -> tuple[WeightedDimension, ...]:
    layers, counts = np.unique(layer_per_fold, return_counts=True)
    layer = int(layers[counts.argmax()])
    own = np.array([w for w, at in zip(weights, layer_per_fold, strict=True) if at == layer])
    mean, used = own.mean(axis=0), (own != 0).sum(axis=0)
    order = np.argsort(-np.abs(mean), kind="stable")
    return tuple(
        WeightedDimension(layer, int(d), float(mean[d]), int(used[d])) for d in order if used[d]
    )
