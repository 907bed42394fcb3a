"""The splits of a detector that is fitted on labels, and its scores put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, FloatArray, IntArray, Labels, codes
from metrics.core.folds import balanced_folds, require_classes, training_folds
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.permutation import shuffled_aurocs
from metrics.fitting.repeats import reported_repeat

N_FOLDS, N_REPEATS, N_SHUFFLES = 5, 4, 19
FEW_SHUFFLES = 4  # where a fit costs more
MIN_PER_CLASS = 20
# fold (n_splits, n), label (n,) -> out-of-fold scores (n_splits, n)
CrossFit = Callable[[NDArray[np.int64], BoolArray], NDArray[np.floating]]


@dataclass(frozen=True)
class Samples:
    """Labelled samples: label, image, in what the AUROC is taken too, and reference answers."""

    label: BoolArray
    group: IntArray
    kinds: Labels | None = None
    answers: Labels | None = None
    targets: Sequence[str | None] | None = None

    @classmethod
    def of(
        cls,
        correct: NDArray[np.generic],
        groups: Labels,
        *,
        kinds: Labels | None = None,
        answers: Labels | None = None,
        targets: Sequence[str | None] | None = None,
    ) -> Samples:
        """Checked: UndefinedMetricError where a class is too rare to be fitted on."""
        label: BoolArray = np.asarray(correct) == 1
        group = codes("fitted detector", "groups", groups, label.size)
        require_classes(label, group, MIN_PER_CLASS, N_FOLDS)
        return cls(label, group, kinds, answers, targets)

    def splits(self, n: int, rng: np.random.Generator) -> IntArray:
        """Fold of each sample in n splits, (n, n_samples); an image is on one side."""
        drawn = [balanced_folds(self.label, self.group, n_folds=N_FOLDS, rng=rng) for _ in range(n)]
        return np.array(drawn)


def fitted_scores(
    samples: Samples, fit: CrossFit, rng: np.random.Generator, *, n_shuffles: int = N_SHUFFLES
) -> FittedScores:
    """Cross-fit on several splits; the one in the middle by AUROC, and what fitting adds.

    Beside it the AUROCs on labels permuted among images and within them, one split each, and from
    19 of them on a permutation p.
    """
    found = fit(samples.splits(N_REPEATS, rng), samples.label).astype(np.float64)
    chosen, spread = reported_repeat(
        samples.label, list(found), kinds=samples.kinds, answers=samples.answers
    )
    if spread is not None and n_shuffles:

        def once(label: BoolArray) -> FloatArray:
            own = replace(samples, label=label)
            scores: FloatArray = fit(own.splits(1, rng), label)[0].astype(np.float64)
            return scores

        shuffled = shuffled_aurocs(samples.label, samples.group, once, rng, n_shuffles)
        reached = float(auroc_columns(samples.label, found[chosen][:, None])[0])
        spread = spread.beside(reached, shuffled)
    return FittedScores(found[chosen], spread)


def parts(fold: IntArray, label: BoolArray) -> Iterator[tuple[int, IntArray, IntArray]]:
    """(split, training rows, held-out rows) of every fold of every split."""
    for split, own in enumerate(fold):
        for train, test in training_folds(label, own):
            yield split, train, test


def training_weights(fold: IntArray, label: BoolArray) -> NDArray[np.float32]:
    """Weight of each sample in each of the fits of all folds and splits, (n, n_splits · n_folds).

    The samples of a training part have equal weights that sum to 1, all others none.
    """
    columns = []
    for _, train, _ in parts(fold, label):
        column = np.zeros(label.size, np.float32)
        column[train] = 1 / train.size
        columns.append(column)
    return np.stack(columns, axis=1)


def held_out(fold: IntArray, columns: NDArray[np.floating]) -> FloatArray:
    """Each sample's score by the fit that has not seen it: columns (n, n_splits · n_folds)."""
    n_folds = columns.shape[1] // len(fold)
    own = fold + n_folds * np.arange(len(fold))[:, None]
    scores: FloatArray = columns[np.arange(fold.shape[1]), own].astype(np.float64)
    return scores
