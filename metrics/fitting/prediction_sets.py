"""Sizes of prediction sets as scores: calibrated on the true candidates of other images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metrics.answers.prediction_sets import (
    aps_nonconformity,
    conformal_threshold,
    holds,
    lac_nonconformity,
    prediction_sets,
)
from metrics.core.checks import BoolArray, FloatArray, IntArray, refuse
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.out_of_fold import Samples, fitted_scores, parts
from metrics.record.detector_channels import CANDIDATES, N_WORDS

COVERAGE = 0.9
NO_TRUTH = "no reference answer is yes, no or the letter of an option"
RULES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "lac_set_size": lac_nonconformity,
    "aps_set_size": aps_nonconformity,
}


def candidate_named(text: str | None) -> int:
    """Which candidate a reference answer names; −1 for none.

    Examples
    --------
    >>> [candidate_named(text) for text in ("Yes", "no.", "(B)", "a", "Bus", None)]
    [0, 1, 3, -1, -1, -1]
    """
    bare = (text or "").strip().strip("().:").strip()
    for number, name in enumerate(CANDIDATES):
        if name == (bare.lower() if number < N_WORDS else bare):
            return number
    return -1


def prediction_set_scores(
    masses: NDArray[np.floating],
    given: NDArray[np.floating],
    samples: Samples,
    *,
    rng: np.random.Generator,
) -> dict[str, FittedScores]:
    r"""Minus the number of candidates that hold the true one at 90 %, out of fold by image.

    .. math:: s_i = -\big|\{c : e_{ic} \le \hat q_{f(i)}\}\big|

    The candidates of a question are those of the answer's kind, yes and no or letters, their masses
    scaled to sum to 1. The threshold is that of the other folds' images, from questions whose
    reference answer names a candidate; one of another kind than the answer is in no set, and counts
    so. Higher means more likely correct. Range: :math:`[-10, -1]`.

    Parameters
    ----------
    masses : float array, shape (n_samples, 12)
        Probability of each candidate; 0 where no token tells it.
    given : float array, shape (n_samples,)
        Which one the answer names.
    samples : Samples
        Labels, images and reference answers.
    rng : numpy.random.Generator
        Source of the splits, the same for both.

    Returns
    -------
    dict of str to FittedScores
        By signal; ``figures`` has the coverage that was reached, mean over images as it is
        promised, and the mean size.

    Raises
    ------
    UndefinedMetricError
        If no reference answer names a candidate, or an answer's candidates have no probability.
    ValueError
        If shapes do not fit.

    References
    ----------
    Kostumov et al. (2024), arXiv 2402.14418; see `lac_nonconformity` and `aps_nonconformity`.
    """
    if masses.shape != (samples.label.size, len(CANDIDATES)):
        legal = f"({samples.label.size}, {len(CANDIDATES)})"
        raise refuse("prediction_set_scores", "masses", legal, f"shape {masses.shape}")
    truth = np.array([candidate_named(text) for text in samples.targets or ()], np.int64)
    if truth.size != samples.label.size or (truth < 0).all():
        raise UndefinedMetricError(NO_TRUTH)
    p = _shares(masses.astype(np.float64), given.astype(np.int64))
    seed = int(rng.integers(2**63))
    found = {}
    for name, rule in RULES.items():
        sets = _CrossFittedSets(rule(p), truth, samples.group)
        scores = fitted_scores(samples, sets.scores, np.random.default_rng(seed))
        found[name] = FittedScores(scores.scores, scores.fit, sets.figures())
    return found


def _shares(masses: FloatArray, given: IntArray) -> FloatArray:
    """Masses of the answer's own kind, scaled to sum to 1; NaN for those of the other."""
    is_word = np.arange(len(CANDIDATES)) < N_WORDS
    own = np.where(is_word == (given < N_WORDS)[:, None], masses, np.nan)
    total = np.nansum(own, axis=1, keepdims=True)
    if (total <= 0).any():
        raise UndefinedMetricError("the candidates of an answer have no probability")
    shares: FloatArray = own / total
    return shares


class _CrossFittedSets:
    """Sets of every sample by thresholds of other folds."""

    def __init__(self, nonconformity: FloatArray, truth: IntArray, group: IntArray) -> None:
        self._nonconformity, self._truth, self._group = nonconformity, truth, group
        self._known = truth >= 0
        self._of_truth = nonconformity[np.arange(truth.size), truth]  # not read where unknown
        self._first: NDArray[np.bool_] | None = None  # of the true labels, whose fit comes first

    def scores(self, fold: IntArray, label: BoolArray) -> FloatArray:
        """Minus sizes, (n_splits, n)."""
        sets = self._sets(fold, label)
        if self._first is None:
            self._first = sets
        sizes: FloatArray = sets.sum(axis=-1).astype(np.float64)
        return -sizes

    def figures(self) -> dict[str, float]:
        """Coverage over images and mean size, over all splits on the true labels."""
        sets, known = self._first, self._known
        assert sets is not None
        size = np.bincount(self._group[known], minlength=self._group.max() + 1)
        weight = 1 / (size[self._group[known]] * np.count_nonzero(size))
        covered = [float((holds(own, self._truth)[known] * weight).sum()) for own in sets]
        return {
            "goal": COVERAGE,
            "coverage": float(np.mean(covered)),
            "mean_size": float(sets.sum(axis=-1).mean()),
            "n": float(known.sum()),
        }

    def _sets(self, fold: IntArray, label: BoolArray) -> NDArray[np.bool_]:
        sets = np.zeros((*fold.shape, self._nonconformity.shape[1]), dtype=bool)
        for split, train, test in parts(fold, label):
            own = train[self._known[train]]
            threshold = conformal_threshold(
                self._of_truth[own], self._group[own].tolist(), coverage=COVERAGE
            )
            sets[split, test] = prediction_sets(self._nonconformity[test], threshold)
        return sets
