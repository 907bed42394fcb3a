"""Scores that know one thing of a sample, for many labellings at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import rankdata
from sklearn.feature_extraction.text import CountVectorizer

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.folds import random_group_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.logistic_columns import Columns, auroc_columns, logistic_columns
from metrics.fitting.permutation import permutation_p, permuted_labels

# pseudo-counts at the training accuracy: a category seen once is not "always right"
PRIOR_STRENGTH = 2.0
N_PERMUTATIONS = 99
_CELLS = 2**19  # numbers that permutations are held in at once


def category_columns(category: IntArray, labels: BoolArray, fold: IntArray) -> FloatArray:
    """Standing of each sample's category by its accuracy in the other folds, (n, M) as labels."""
    n_categories = int(category.max()) + 1
    frequency = np.bincount(category)
    scores = np.empty(labels.shape)
    for k in range(int(fold.max()) + 1):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        n = np.bincount(category[train], minlength=n_categories)
        for column, label in enumerate(labels[train].T):
            right = np.bincount(category[train], weights=label, minlength=n_categories)
            accuracy = (right + PRIOR_STRENGTH * label.mean()) / (n + PRIOR_STRENGTH)
            standing = np.full(n_categories, 0.5)
            standing[n > 0] = mid_rank(accuracy[n > 0], frequency[n > 0])
            scores[test, column] = standing[category[test]]
    return scores


def mid_rank(value: FloatArray, frequency: IntArray) -> FloatArray:
    """Mid-rank, as a share, of each value that occurs so often."""
    _, level = np.unique(value.round(12), return_inverse=True)
    mass = np.bincount(level, weights=frequency) / frequency.sum()
    standing: FloatArray = (np.cumsum(mass) - mass / 2)[level]
    return standing


def words_of(texts: Sequence[str]) -> csr_matrix:
    """Which words occur in each text, shape (n_texts, n_words)."""
    try:
        return CountVectorizer(binary=True, token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    except ValueError as empty:  # scikit-learn's way to say that there is no word
        raise UndefinedMetricError("the questions hold no word") from empty


def word_columns(words: csr_matrix, labels: BoolArray, fold: IntArray) -> FloatArray:
    """Naive Bayes on words fitted in the other folds, ranked within the fold; as ``labels``."""
    scores = np.empty(labels.shape)
    for k in range(int(fold.max()) + 1):
        train, test = fold != k, fold == k
        seen = words[train]
        accuracy = (labels[train].sum(axis=0) + 0.5) / (train.sum() + 1)  # never 0 or 1
        n = np.asarray(seen.sum(axis=0)).reshape(-1, 1)
        right = np.asarray(seen.T @ labels[train].astype(np.float64))
        share = (right + PRIOR_STRENGTH * accuracy) / (n + PRIOR_STRENGTH)
        scores[test] = rankdata((words[test] @ np.log(share / (1 - share))).round(9), axis=0)
        scores[test] /= test.sum()
    return scores


def fusion_columns(z: Columns, labels: BoolArray, fold: IntArray, *, c: float) -> FloatArray:
    """Log-odds, less the intercept, of logistic regressions on principal axes; as ``labels``."""
    n_folds, n_labels = int(fold.max()) + 1, labels.shape[1]
    used = np.repeat(fold[:, None] != np.arange(n_folds), n_labels, axis=1)
    w, _ = logistic_columns(z, np.tile(labels, n_folds), used, np.full(used.shape[1], c))
    decisions: NDArray[np.float32] = (z @ w).reshape(len(z), n_folds, n_labels)
    return decisions[np.arange(len(z)), fold].astype(np.float64)


def labels_and_permutations(
    label: BoolArray, group: IntArray, rng: np.random.Generator, *, n_folds: int
) -> tuple[BoolArray, IntArray]:
    """The labels and their permutations, (n, 1 + N_PERMUTATIONS); folds blind to all of them."""
    drawn = permuted_labels(label, group, N_PERMUTATIONS, rng)
    fold = random_group_folds(group, n_folds=n_folds, rng=rng)
    return np.column_stack([label, drawn.T]), fold


def p_of_columns(
    labels: BoolArray, scores_of: Callable[[BoolArray], FloatArray], *, width: int = 1
) -> float:
    """Permutation p of the first column among the others: one statistic for all, so it is exact.

    Parameters
    ----------
    labels : bool array, shape (n, M)
        The labels, then permutations of them.
    scores_of : callable
        Some columns of ``labels`` -> scores of that shape, each from its own column alone. It is
        asked for as many at once as fit in little memory, whatever n is.
    width : int, default 1
        Numbers that it holds of each label.
    """
    n, m = labels.shape
    at_once = max(1, _CELLS // (n * width))
    blocks = (labels[:, start : start + at_once] for start in range(0, m, at_once))
    found = np.concatenate([auroc_columns(own, scores_of(own)) for own in blocks])
    return permutation_p(float(found[0]), found[1:])
