"""Permutations held some at a time are those that are held at once."""

import numpy as np
import pytest

from metrics.fitting import only_scores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.only_scores import (
    category_columns,
    fusion_columns,
    labels_and_permutations,
    p_of_columns,
    word_columns,
    words_of,
)

RNG = np.random.default_rng(5)
N = 120
CORRECT = RNG.random(N) < 0.6
GROUP = np.arange(N) // 3
CATEGORY = np.where(RNG.random(N) < 0.3, CORRECT, RNG.integers(0, 3, N)).astype(np.int64)
WORDS = words_of([f"is it {'red' if c else 'blue'} number {c % 2}" for c in CATEGORY])
Z = principal_coordinates((RNG.normal(size=(N, 4)) + CORRECT[:, None] * 0.3).astype("f4"), None)

MADE = {
    "category": lambda own, fold: category_columns(CATEGORY, own, fold),
    "words": lambda own, fold: word_columns(WORDS, own, fold),
    "fusion": lambda own, fold: fusion_columns(Z, own, fold, c=1.0),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("cells", [1, 7 * N, 10**9])
def test_the_p_is_the_same_however_many_are_held_at_once(name, cells, monkeypatch):
    labels, fold = labels_and_permutations(CORRECT, GROUP, np.random.default_rng(1), n_folds=5)
    whole = MADE[name](labels, fold)
    right = [only_scores.auroc_columns(labels[:, [i]], whole[:, [i]])[0] for i in range(100)]
    expected = np.mean([own >= right[0] - 1e-12 for own in right])
    widths = []

    def scores_of(own):
        widths.append(own.shape[1])
        return MADE[name](own, fold)

    monkeypatch.setattr(only_scores, "_CELLS", cells)
    assert p_of_columns(labels, scores_of) == pytest.approx(expected, abs=1e-9)
    assert max(widths) == min(100, max(1, cells // N))
    assert sum(widths) == 100
