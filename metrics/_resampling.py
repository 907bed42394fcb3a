"""Weighted statistics over all resamples at once.

Weights are (n_samples, n_resamples): how often each sample is in each resample, resamples along the
contiguous axis, so that sorting samples moves whole rows. Work goes in blocks of resamples that fit
the cache. Sums of products are taken in float64 of exactly represented float32 terms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metrics._checks import BoolArray, FloatArray, IntArray

Weights = NDArray[np.uint16]
Block = NDArray[np.float32]

BLOCK = 128


def weighted_auroc(correct: BoolArray, score: FloatArray, weights: Weights) -> FloatArray:
    """Return AUROC per resample, ties counted half; NaN where a class is absent."""
    return weighted_stratified_auroc(correct, score, np.zeros(score.size, np.int64), weights)


def weighted_stratified_auroc(
    correct: BoolArray, score: FloatArray, strata: IntArray, weights: Weights
) -> FloatArray:
    """Return concordance over pairs within a stratum, per resample; NaN where there is no pair."""
    plans = [
        plan
        for stratum in range(int(strata.max(initial=-1)) + 1)
        if (plan := _ConcordancePlan.of(np.flatnonzero(strata == stratum), correct, score))
    ]
    result = np.full(weights.shape[1], np.nan)
    for columns in _blocks(weights.shape[1]):
        block = weights[:, columns]
        concordant, pairs = np.zeros(block.shape[1]), np.zeros(block.shape[1])
        for plan in plans:
            plan.add_to(concordant, pairs, block)
        np.divide(concordant, pairs, out=result[columns], where=pairs > 0)
    return result


def weighted_error_precision(correct: BoolArray, score: FloatArray, weights: Weights) -> FloatArray:
    """Return average precision of errors per resample; NaN where a class is absent."""
    order = np.argsort(score, kind="stable")
    wrong = ~correct[order]
    starts = _starts(score[order])
    tied = starts.size < order.size
    result = np.full(weights.shape[1], np.nan)
    if not wrong.any() or wrong.all():
        return result
    level_of_error = np.searchsorted(starts, np.flatnonzero(wrong), side="right") - 1
    ends = np.append(starts[1:], order.size) - 1
    for columns in _blocks(weights.shape[1]):
        everything = weights[order, columns].astype(np.float32)
        errors = everything[wrong]
        retrieved = everything.cumsum(axis=0, out=everything)[ends[level_of_error]]
        found = errors.cumsum(axis=0)
        if tied:
            last = np.searchsorted(level_of_error, level_of_error, side="right") - 1
            found = found[last]
        np.maximum(retrieved, 1, out=retrieved)
        found *= errors
        found /= retrieved
        total, n_errors = everything[-1], errors.sum(axis=0, dtype=np.float64)
        both = (n_errors > 0) & (n_errors < total)
        sums = found.sum(axis=0, dtype=np.float64)
        np.divide(sums, n_errors, out=result[columns], where=both)
    return result


def weighted_mean(values: FloatArray, weights: Weights) -> FloatArray:
    """Return the mean per resample; NaN for an empty one."""
    result = np.full(weights.shape[1], np.nan)
    for columns in _blocks(weights.shape[1]):
        block = weights[:, columns].astype(np.float64)
        totals = block.sum(axis=0)
        np.divide(values @ block, totals, out=result[columns], where=totals > 0)
    return result


class _ConcordancePlan:
    """Where the correct and wrong samples of one stratum stand among each other."""

    def __init__(self, correct_rows: IntArray, wrong_rows: IntArray, score: FloatArray) -> None:
        order = np.argsort(score[wrong_rows], kind="stable")
        self.correct_rows, self.wrong_rows = correct_rows, wrong_rows[order]
        wrong_scores = score[self.wrong_rows]
        self.below = np.searchsorted(wrong_scores, score[correct_rows], side="left")
        self.up_to = np.searchsorted(wrong_scores, score[correct_rows], side="right")
        self.tied = bool((self.below != self.up_to).any())

    @classmethod
    def of(cls, rows: IntArray, correct: BoolArray, score: FloatArray) -> _ConcordancePlan | None:
        """Return a plan, or None for a stratum without pairs."""
        correct_rows, wrong_rows = rows[correct[rows]], rows[~correct[rows]]
        if not (correct_rows.size and wrong_rows.size):
            return None
        return cls(correct_rows, wrong_rows, score)

    def add_to(self, concordant: FloatArray, pairs: FloatArray, block: Weights) -> None:
        """Add this stratum's concordant and total pairs, per resample."""
        cumulative = np.zeros((self.wrong_rows.size + 1, block.shape[1]), np.float32)
        np.cumsum(block[self.wrong_rows], axis=0, dtype=np.float32, out=cumulative[1:])
        w = block[self.correct_rows].astype(np.float32)
        beaten = cumulative[self.below]
        if self.tied:
            beaten += cumulative[self.up_to]
            beaten *= 0.5
        beaten *= w
        concordant += beaten.sum(axis=0, dtype=np.float64)
        pairs += w.sum(axis=0, dtype=np.float64) * cumulative[-1]


def _blocks(n_resamples: int) -> Iterator[slice]:
    for start in range(0, n_resamples, BLOCK):
        yield slice(start, min(start + BLOCK, n_resamples))


def _starts(ordered: FloatArray) -> IntArray:
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
