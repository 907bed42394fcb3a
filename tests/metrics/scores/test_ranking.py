"""Weightings made and summed some at a time are those of the whole matrix."""

import dataclasses

import numpy as np
import pytest

from metrics.core import resampling
from metrics.scores.ranking import LeftOut, ranking_replicates, weighted_stratified_auroc

RNG = np.random.default_rng(3)
N = 300
CORRECT = RNG.random(N) < 0.7
SCORE = (CORRECT + RNG.normal(size=N)).round(1)  # with ties
PART = RNG.permutation(np.arange(N) % 40)


def plainly(weights):
    return dataclasses.astuple(ranking_replicates(CORRECT, SCORE, weights))


def test_parts_left_out_are_weights_of_nought_and_one():
    dense = (PART[:, None] != np.arange(40)).astype(np.uint16)
    lazy = LeftOut(PART)
    assert lazy.shape == dense.shape
    assert np.array_equal(lazy[:, 3:9], dense[:, 3:9])
    found = plainly(lazy)
    np.testing.assert_array_equal(found, plainly(dense))
    for part in range(40):  # as if those samples had never been
        rows = part != PART
        once = ranking_replicates(CORRECT[rows], SCORE[rows], np.ones((rows.sum(), 1), np.uint16))
        np.testing.assert_allclose(
            [own[part] for own in found], np.ravel(dataclasses.astuple(once))
        )


@pytest.mark.parametrize("cells", [1, 20 * N, 10**9])
def test_blocks_of_any_width_give_the_same(cells, monkeypatch):
    weights = RNG.integers(0, 3, (N, 150)).astype(np.uint16)
    strata = np.arange(N) % 3
    before = plainly(weights), weighted_stratified_auroc(CORRECT, SCORE, strata, weights)
    monkeypatch.setattr(resampling, "CELLS", cells)
    widths = [own.stop - own.start for own in resampling.blocks(150, N)]
    assert max(widths) == {1: 16, 20 * N: 20, 10**9: 128}[cells]
    assert sum(widths) == 150
    np.testing.assert_array_equal(plainly(weights), before[0])
    after = weighted_stratified_auroc(CORRECT, SCORE, strata, weights)
    np.testing.assert_array_equal(after, before[1])
