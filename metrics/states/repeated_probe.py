"""A probe's cross-fit repeated over splits, and on permuted labels, on coordinates made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from metrics.core.folds import require_classes
from metrics.fitting.fit_spread import FitSpread
from metrics.fitting.linear_probe import check_states, rising
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.permutation import shuffled_aurocs
from metrics.fitting.repeats import reported_repeat
from metrics.states.nested_probe import Layers, NestedFit, Split, nested_fit

DEFAULT_CS = (1e-4, 1e-3, 1e-2, 1e-1)
MIN_PER_CLASS = 20
N_REPEATS = 20
N_FOLDS, N_INNER = 5, 3
MAX_COMPONENTS = 256


@dataclass(frozen=True)
class ProbeScores:
    """Out-of-fold scores of a probe, and how they came about.

    Attributes
    ----------
    scores, fold : array, shape (n_samples,)
        Of the reported split, the one whose AUROC is nearest to the mean over repeats.
    layer_per_fold, C_per_fold : array, shape (n_folds,)
        What inner validation chose in each fold of the reported split.
    auroc_by_layer : float array, shape (n_layers + 1,)
        Out-of-fold AUROC had the layer been fixed beforehand, mean over repeats; NaN where the
        layer does not vary. Its maximum is a choice made on the reported data: the figure to report
        is the AUROC of ``scores``.
    repeat_aurocs : float array, shape (n_repeats,)
        AUROC of each repeat.
    repeats : tuple of (fold, layer_per_fold)
        Splits of the repeats, the reported one first, for other probes to be fitted on.
    fit : FitSpread or None
        What fitting adds to the standard error; None below 4 repeats.
    shuffled_aurocs : float array, shape (n_shuffles,)
        AUROC of the procedure on permuted labels.
    """

    scores: FloatArray
    fold: IntArray
    layer_per_fold: IntArray
    C_per_fold: FloatArray
    auroc_by_layer: FloatArray
    repeat_aurocs: FloatArray
    repeats: tuple[tuple[IntArray, IntArray], ...]
    fit: FitSpread | None
    shuffled_aurocs: FloatArray


@dataclass(frozen=True)
class Prepared:
    """Layers of checked states, their labels and images: what every split is drawn of."""

    layers: Layers
    label: BoolArray
    group: IntArray
    n_folds: int
    n_inner: int
    cs: tuple[float, ...]

    def once(self, label: BoolArray, rng: np.random.Generator) -> NestedFit:
        """Return one cross-fit on a split of its own."""
        split = Split.draw(label, self.group, n_folds=self.n_folds, n_inner=self.n_inner, rng=rng)
        return nested_fit(self.layers, label, split, self.cs)

    def by_row(self) -> Prepared:
        """Return the same with every row an image of its own."""
        return replace(self, group=np.arange(self.label.size))

    def shuffled(self, rng: np.random.Generator, n_shuffles: int) -> FloatArray:
        """AUROC on permuted labels, each with a split of its own."""
        return shuffled_aurocs(
            self.label, self.group, lambda label: self.once(label, rng).scores, rng, n_shuffles
        )

    def probe(
        self,
        rng: np.random.Generator,
        *,
        n_repeats: int = N_REPEATS,
        n_shuffles: int = 0,
        kinds: Labels | None = None,
        answers: Labels | None = None,
    ) -> ProbeScores:
        """Repeat, then permute; the splits come first from the generator."""
        found = self.repeated(rng, n_repeats=n_repeats, kinds=kinds, answers=answers)
        if not n_shuffles:
            return found
        shuffled = self.shuffled(rng, n_shuffles)
        reached = float(auroc_columns(self.label, found.scores[:, None])[0])
        fit = None if found.fit is None else found.fit.beside(reached, shuffled)
        return replace(found, shuffled_aurocs=shuffled, fit=fit)

    def repeated(
        self,
        rng: np.random.Generator,
        *,
        n_repeats: int,
        kinds: Labels | None = None,
        answers: Labels | None = None,
    ) -> ProbeScores:
        """Cross-fit on several splits; report the one in the middle."""
        fits = [self.once(self.label, rng) for _ in range(n_repeats)]
        scores = [fit.scores for fit in fits]
        chosen, spread = reported_repeat(
            self.label, scores, kinds=kinds, answers=answers, n_folds=self.n_folds
        )
        fits.insert(0, fits.pop(chosen))
        by_layer = np.mean([auroc_columns(self.label, fit.by_layer.T) for fit in fits], axis=0)
        by_layer[[z is None for z in self.layers.coordinates]] = np.nan
        return ProbeScores(
            scores=fits[0].scores,
            fold=fits[0].fold,
            layer_per_fold=fits[0].layer_per_fold,
            C_per_fold=fits[0].c_per_fold,
            auroc_by_layer=by_layer,
            repeat_aurocs=auroc_columns(self.label, np.array(scores).T),
            repeats=tuple((fit.fold, fit.layer_per_fold) for fit in fits),
            fit=spread,
            shuffled_aurocs=np.zeros(0),
        )


def prepare(
    function: str,
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    n_folds: int = N_FOLDS,
    n_inner: int = N_INNER,
    Cs: Sequence[float] = DEFAULT_CS,
    min_per_class: int = MIN_PER_CLASS,
    max_components: int | None = MAX_COMPONENTS,
) -> Prepared:
    """Check what a probe is given, in the name of ``function``."""
    at_least(function, "n_folds", n_folds, 2)
    at_least(function, "n_inner", n_inner, 2)
    label = binary_labels(function, "correct", correct)
    check_states(function, hidden, label.size)
    cs = rising(function, Cs)
    group = codes(function, "groups", groups, label.size)
    require_classes(label, group, min_per_class, n_folds)
    layers = Layers.of(function, hidden, max_components)
    return Prepared(layers, label, group, n_folds, n_inner, cs)
