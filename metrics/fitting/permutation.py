"""Labels without meaning: permuted so that what links the questions of an image stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.errors import UndefinedMetricError
from metrics.fitting.logistic_columns import auroc_columns


def permuted_labels(
    label: BoolArray, group: IntArray, n: int, rng: np.random.Generator
) -> BoolArray:
    """Return n permutations of the labels, shape (n, n_samples).

    Labels of whole images move among images of the same number of questions, so that labels stay as
    correlated within an image as they are, and then among the questions of each image: the n-th
    question of every image may be of one kind, and its kind would still tell its label.
    """
    rows_of = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    sizes = {len(rows) for rows in rows_of}
    same_size = [np.array([rows for rows in rows_of if len(rows) == size]) for size in sizes]
    drawn = np.tile(label, (n, 1))
    for shuffled in drawn:
        for rows in same_size:
            shuffled[rows] = rng.permuted(label[rng.permutation(rows)], axis=1)
    return drawn


def shuffled_aurocs(
    label: BoolArray,
    group: IntArray,
    fit: Callable[[BoolArray], FloatArray],
    rng: np.random.Generator,
    n: int,
) -> FloatArray:
    """AUROC, against permuted labels, of the scores (n_samples,) that they are fitted to.

    Up to n of them: left out are permutations that leave a class to too few images to be fitted.
    """
    found = []
    for permuted in permuted_labels(label, group, n, rng):
        try:
            scores = fit(permuted)
        except UndefinedMetricError:
            continue
        found.append(float(auroc_columns(permuted, scores[:, None])[0]))
    return np.array(found)


def permutation_p(observed: float, drawn: FloatArray) -> float:
    """One-sided p of a figure among those of permuted labels (Phipson and Smyth 2010)."""
    return float((1 + (drawn >= observed - 1e-12).sum()) / (1 + drawn.size))
