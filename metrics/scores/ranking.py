"""Statistics of a ranking under many weightings at once, from one sort of the score.

All of them are sums over wrong answers of what stands above each. So samples are first summed into
one row per level of score that holds a wrong answer, and one per gap between two such levels, by a
sparse product; the rest works on these rows only. Weights come as (n_samples, n_resamples). Counts
are exact in float32, sums of products are taken in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.resampling import Weights, blocks

Counts = NDArray[np.float32]

RUN = 8


@dataclass(frozen=True)
class RankingReplicates:
    """One entry per resample; NaN where it lacks a class.

    ``oracle_aurc`` is the AURC of a score that keeps every correct answer first.
    """

    auroc: FloatArray
    error_precision: FloatArray
    aurc: FloatArray
    oracle_aurc: FloatArray
    accuracy: FloatArray


class LeftOut:
    """Weights, (n, n_parts), under which each part of the samples is left out in turn.

    They are made some columns at a time: of 200,000 samples 400 columns take 160 MB.
    """

    def __init__(self, part: IntArray) -> None:
        self._part = part[:, None]
        self.shape = part.size, int(part.max()) + 1

    def __getitem__(self, at: tuple[slice, slice]) -> Weights:
        rows, columns = at
        kept: BoolArray = self._part[rows] != np.arange(self.shape[1])[columns]
        return kept.astype(np.uint16)


def ranking_replicates(
    correct: BoolArray, score: FloatArray, weights: Weights | LeftOut
) -> RankingReplicates:
    """Return every statistic of one ranking; ties are averaged, copies of a sample are ties."""
    found = np.full((5, weights.shape[1]), np.nan)
    levels = _ErrorLevels.of(correct, score, np.zeros(score.size, np.int64))
    if levels is not None:
        for columns in blocks(weights.shape[1], score.size):
            found[:, columns] = _ranking(levels.sums(weights[:, columns]))
    return RankingReplicates(*found)


def weighted_stratified_auroc(
    correct: BoolArray, score: FloatArray, strata: IntArray, weights: Weights
) -> FloatArray:
    """Return concordance over pairs within a stratum, per resample; NaN where there is no pair."""
    result = np.full(weights.shape[1], np.nan)
    levels = _ErrorLevels.of(correct, score, strata)
    if levels is not None:
        for columns in blocks(weights.shape[1], score.size):
            concordant, pairs = _concordance(levels.sums(weights[:, columns]))
            np.divide(concordant, pairs, out=result[columns], where=pairs > 0)
    return result


@dataclass(frozen=True)
class _Sums:
    """Summed weights, the highest level first within each stratum.

    ``errors`` and ``tied`` (correct) in each level that holds an error, ``above`` the correct ones
    between it and the previous such level, ``below`` those under each stratum's last. ``starts`` is
    the first level of each stratum. ``tied`` is None where no level is shared.
    """

    above: Counts
    errors: Counts
    tied: Counts | None
    below: Counts
    starts: IntArray


class _ErrorLevels:
    """Which samples are summed into which row, for the strata that hold both classes."""

    def __init__(
        self, correct: BoolArray, score: FloatArray, strata: IntArray, rows: IntArray
    ) -> None:
        rows = rows[np.lexsort((-score[rows], strata[rows]))]
        right, s, stratum = correct[rows], score[rows], strata[rows]
        first = np.r_[True, (s[1:] != s[:-1]) | (stratum[1:] != stratum[:-1])]
        level = np.cumsum(first) - 1
        with_error = np.flatnonzero(np.bincount(level, weights=~right))
        stratum_of = stratum[first][with_error]
        self.starts = np.flatnonzero(np.r_[True, stratum_of[1:] != stratum_of[:-1]])

        # the next level with an error, at or under the sample, if its stratum has one
        n = with_error.size
        nearest = np.minimum(np.searchsorted(with_error, level), n - 1)
        shared = with_error[nearest] == level
        reached = (with_error[nearest] >= level) & (stratum_of[nearest] == stratum)
        self.n, self.has_ties = n, bool((shared & right).any())
        self.n_rows = n * (3 if self.has_ties else 2)
        part = np.where(shared, np.where(right, 2, 1), 0)
        last = self.n_rows + np.searchsorted(stratum_of[self.starts], stratum)
        row = np.where(reached, nearest + n * part, last)
        shape = (self.n_rows + self.starts.size, correct.size)
        self.matrix = csr_matrix((np.ones(row.size, np.float32), (row, rows)), shape=shape)

    @classmethod
    def of(cls, correct: BoolArray, score: FloatArray, strata: IntArray) -> _ErrorLevels | None:
        """Return the plan, or None where no stratum holds both classes."""
        n_correct = np.bincount(strata, weights=correct)
        mixed = (n_correct > 0) & (np.bincount(strata) > n_correct)
        rows = np.flatnonzero(mixed[strata])
        return cls(correct, score, strata, rows) if rows.size else None

    def sums(self, weights: Weights) -> _Sums:
        """Sum one block of weights."""
        summed, n = self.matrix @ weights.astype(np.float32), self.n
        tied = summed[2 * n : 3 * n] if self.has_ties else None
        return _Sums(summed[:n], summed[n : 2 * n], tied, summed[self.n_rows :], self.starts)


def _concordance(sums: _Sums) -> tuple[FloatArray, FloatArray]:
    """Return concordant pairs, ties counted half, and all pairs."""
    above, at = _correct_above(sums), sums.starts
    if at.size > 1:  # what stands above in earlier strata does not count
        lengths = np.diff(np.r_[at, len(above)])
        above = above - np.repeat((above - sums.above)[at], lengths, axis=0)
    n_correct = _per_stratum(sums.above, at) + sums.below
    if sums.tied is not None:
        n_correct += _per_stratum(sums.tied, at)
        above = above + np.float32(0.5) * sums.tied
    n_errors = _per_stratum(sums.errors, at)
    return _total(above * sums.errors), _total(n_correct * n_errors)


def _per_stratum(rows: Counts, starts: IntArray) -> Counts:
    if starts.size == 1:
        total: NDArray[np.float32] = rows.sum(axis=0, keepdims=True)
        return total
    summed: Counts = np.add.reduceat(rows, starts, axis=0)
    return summed


def _correct_above(sums: _Sums) -> Counts:
    above = cumulated(sums.above)
    if sums.tied is not None:
        above += cumulated(sums.tied) - sums.tied
    return above


def _ranking(sums: _Sums) -> FloatArray:
    """Return the rows of RankingReplicates for one block."""
    errors, (concordant, pairs) = sums.errors, _concordance(sums)
    in_level = errors if sums.tied is None else errors + sums.tied
    errors_above = cumulated(errors) - errors
    before = _correct_above(sums) + errors_above
    n_errors = _total(errors)
    n_correct = _total(sums.above) + _total(in_level - errors) + _total(sums.below)
    total = n_correct + n_errors

    found = (n_errors.astype(np.float32) - errors_above) * errors
    found /= np.maximum(total.astype(np.float32) - before, 1)
    harmonic = np.cumsum(np.r_[0.0, 1 / np.arange(1, int(total.max()) + 1)])
    to_end, to_correct = (harmonic[k.astype(np.intp)] for k in (total, n_correct))
    area = n_errors * (1 + to_end) - _total(_late_risk(errors, before, in_level, harmonic))
    oracle = n_errors - n_correct * (to_end - to_correct)
    result = np.full((5, total.size), np.nan)
    for row, (top, bottom) in enumerate(
        ((concordant, pairs), (_total(found), n_errors), (area, total), (oracle, total),
         (n_correct, total))
    ):  # fmt: skip
        np.divide(top, bottom, out=result[row], where=pairs > 0)
    return result


def _late_risk(
    errors: Counts, before: Counts, in_level: Counts, harmonic: FloatArray
) -> FloatArray:
    r"""Return what each level takes from the area :math:`E (1 + H_N)` under the risk curve.

    Keeping the j-th of the :math:`n_l` in a level with :math:`e_l` errors, after :math:`T` answers
    with :math:`E_l` errors, gives the risk :math:`(E_l + j e_l / n_l) / (T + j)`. Summed over j and
    by parts over levels, the level's share is
    :math:`e_l (H_{T + n_l} + T (H_{T + n_l} - H_T) / n_l)` with the harmonic numbers H.
    """
    start, end = (harmonic.take(k.astype(np.intp)) for k in (before, before + in_level))
    late: FloatArray = errors * (end + before * (end - start) / np.maximum(in_level, 1))
    return late


def cumulated(rows: Counts) -> Counts:
    """Return cumsum(axis=0), run by run: three times as fast as NumPy's, and exact for counts."""
    n, width = rows.shape
    if n <= 2 * RUN:
        return rows.cumsum(axis=0)
    runs = np.zeros((-(-n // RUN), RUN, width), rows.dtype)
    runs.reshape(-1, width)[:n] = rows
    for i in range(1, RUN):
        runs[:, i] += runs[:, i - 1]
    runs[1:] += cumulated(runs[:-1, -1])[:, None]
    return runs.reshape(-1, width)[:n]


def _total(terms: NDArray[np.floating]) -> FloatArray:
    total: FloatArray = terms.sum(axis=0, dtype=np.float64)
    return total
