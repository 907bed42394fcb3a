"""Splits that keep a group on one side and the classes in proportion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from metrics.core.checks import BoolArray, IntArray
from metrics.errors import UndefinedMetricError


def require_classes(correct: BoolArray, group: IntArray, least: int, n_folds: int) -> None:
    """Refuse data whose rarer class is too rare, or sits in too few groups, to be split."""
    for name, members in (("correct", correct), ("wrong", ~correct)):
        n = int(members.sum())
        if n < least:
            raise UndefinedMetricError(f"{n} {name} answers of {correct.size}, {least} are needed")
        n_groups = np.unique(group[members]).size
        if n_groups < n_folds:
            raise UndefinedMetricError(
                f"{name} answers in {n_groups} groups only, {n_folds} folds need as many"
            )


def grouped_folds(
    stratum: IntArray | BoolArray, group: IntArray, *, n_folds: int, rng: np.random.Generator
) -> IntArray:
    """Return the fold of each sample, 0 … n_folds − 1."""
    seed = int(rng.integers(2**31))
    splitter = StratifiedGroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    fold = np.empty(stratum.size, np.int64)
    for k, (_, test) in enumerate(splitter.split(np.zeros(stratum.size), stratum, group)):
        fold[test] = k
    return fold


def dealt_folds(
    correct: BoolArray, group: IntArray, *, n_folds: int, n_repeats: int, rng: np.random.Generator
) -> list[IntArray]:
    """Return splits with groups dealt out in turn, each class over all folds; fast, to be repeated.

    Groups with right answers only come first, then mixed ones, then those with wrong ones only, so
    that the groups of either class follow each other.
    """
    n_right = np.bincount(group, weights=correct)
    kind = (n_right < np.bincount(group)).astype(int) + (n_right == 0)
    splits = []
    for _ in range(n_repeats):
        order = np.lexsort((rng.random(kind.size), kind))
        fold_of_group = np.empty(kind.size, np.int64)
        fold_of_group[order] = np.arange(kind.size) % n_folds
        splits.append(fold_of_group[group])
    return splits


def balanced_folds(
    label: BoolArray, group: IntArray, *, n_folds: int, rng: np.random.Generator
) -> IntArray:
    """Return folds over groups with the classes in proportion, cheap enough for hundreds of splits.

    Groups in order of their wrong and right answers are dealt out, each round to all folds.
    """
    names, own = np.unique(group, return_inverse=True)
    wrong = np.bincount(own, weights=~label)
    size = np.bincount(own)
    order = np.lexsort((rng.random(names.size), size, wrong))
    n_rounds = -(-names.size // n_folds)
    dealt = rng.permuted(np.tile(np.arange(n_folds), (n_rounds, 1)), axis=1).ravel()
    fold = np.empty(names.size, np.int64)
    fold[order[::-1]] = dealt[: names.size]
    found: IntArray = fold[own]
    return found


def random_group_folds(group: IntArray, *, n_folds: int, rng: np.random.Generator) -> IntArray:
    """Return the fold of each sample with groups dealt out at random, blind to the labels."""
    n_groups = int(group.max()) + 1
    fold_of_group = rng.permutation(np.arange(n_groups) % n_folds)
    fold: IntArray = fold_of_group[group]
    return fold


def training_folds(correct: BoolArray, fold: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield (training rows, held-out rows) per fold; undefined if training lacks a class."""
    for k in range(int(fold.max()) + 1):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if correct[train].all() or not correct[train].any():
            raise UndefinedMetricError(f"one class only in the training part of fold {k}")
        yield train, test
