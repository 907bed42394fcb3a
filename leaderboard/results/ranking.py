"""What is needed to rank signals of one run, and runs of one benchmark, with intervals.

Resamples are drawn by the task's name, so runs on the same samples share them: their figures are
compared pairwise although each run is evaluated alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.card.card import Card, SignalResult
from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.record.columns import labelled_of, signal_columns
from metrics.record.held import HeldRecords
from metrics.record.records import SampleRecord
from metrics.scores.bootstrap import cluster_weights
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.ranks import (
    RankInterval,
    auroc_replicates,
    mean_replicates,
    rank_intervals,
)
from metrics.signals import BY_NAME

# A standard error from 500 resamples is known to 3 %, which is all that a rank takes from them.
N_RESAMPLES = 500
LEAST = 30
ACCURACY = "accuracy"


@dataclass(frozen=True)
class SignalRank:
    """One signal's figure on the samples that all ranked signals have, and its ranks."""

    name: str
    label: str
    value: float
    rank: RankInterval


@dataclass(frozen=True)
class Replicates:
    """A figure of the run under `N_RESAMPLES` resamples."""

    name: str
    value: float
    drawn: tuple[float, ...]


@dataclass(frozen=True)
class Ranking:
    """Ranks of one run's deployable signals, and what ranks the run among others.

    Attributes
    ----------
    samples
        Hash of the labelled samples and their images: runs with the same one are paired.
    n
        Samples that all ranked signals have.
    signals
        In the order of the card. Figures are AUROC, within kinds where they are mixed.
    left_out
        Deployable signal -> why it has no rank.
    figures
        Accuracy, and AUROC of each family's headline signal.
    reason
        Why nothing is ranked, or None.
    copies
        Signal -> the one that ranks all samples alike, and stands in the ranks for both.
    """

    samples: str
    n: int
    signals: tuple[SignalRank, ...]
    left_out: tuple[tuple[str, str], ...]
    figures: tuple[Replicates, ...]
    reason: str | None = None
    copies: tuple[tuple[str, str], ...] = ()

    def rank_of(self, name: str) -> RankInterval | None:
        """Ranks of a signal, if it has any; of a copy those of its original."""
        ranked = dict(self.copies).get(name, name)
        return next((signal.rank for signal in self.signals if signal.name == ranked), None)


def ranking_of(records: Sequence[SampleRecord], card: Card) -> Ranking:
    """Rank one task's signals.

    Parameters
    ----------
    records : sequence of SampleRecord
        All of one task.
    card : Card
        Of these records.

    Returns
    -------
    Ranking
    """
    labelled = labelled_of(records)
    if min(card.n_errors, card.n - card.n_errors) < LEAST:
        reason = f"{card.n_errors} errors of {card.n}: no rank below {LEAST} of either class"
        return Ranking(_identity(labelled), 0, (), (), (), reason)
    drawn = _Drawn(labelled)
    copies = tuple((s.name, s.copy_of) for s in card.signals if s.copy_of is not None)
    deployable = [s for s in card.signals if s.access == "deployable" and s.copy_of is None]
    reasons = {s.name: _why_unranked(s, card.n, mixed=drawn.is_mixed) for s in deployable}
    ranked = [signal for signal in deployable if reasons[signal.name] is None]
    signals: tuple[SignalRank, ...] = ()
    n = 0
    why: str | None = None
    try:
        signals, n = _ranked_signals(ranked, drawn)
    except UndefinedMetricError as undefined:
        why = str(undefined)
    figures = [Replicates(ACCURACY, drawn.accuracy(), drawn.accuracy_replicates())]
    figures += _headlines(ranked, drawn)
    left_out = tuple((name, why) for name, why in reasons.items() if why is not None)
    return Ranking(_identity(labelled), n, signals, left_out, tuple(figures), why, copies)


class _Drawn:
    """Labelled records as columns, with their resamples."""

    def __init__(self, labelled: HeldRecords) -> None:
        self.correct = np.array(labelled.values("correct"), dtype=float)
        self.kinds = np.array(labelled.values("kind"), dtype=object)
        self.is_mixed = len(set(self.kinds)) > 1
        self.scores = signal_columns(labelled)
        groups = labelled.values("group")
        rng = rng_for(labelled[0].task)
        self.weights = cluster_weights(groups, n_resamples=N_RESAMPLES, rng=rng)

    def accuracy(self) -> float:
        return float(self.correct.mean())

    def accuracy_replicates(self) -> tuple[float, ...]:
        return tuple(mean_replicates(self.correct, weights=self.weights).tolist())

    def auroc(self, signal: SignalResult, rows: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and replicates of a signal's AUROC on some rows, within kinds where mixed."""
        correct, score = self.correct[rows], self.scores[signal.name][rows]
        kinds = self.kinds[rows].tolist() if self.is_mixed else None
        known = signal.within_kind_auroc.value if self.is_mixed else signal.auroc.value
        if known is None or rows.size != signal.n:  # else the card has it
            known = _auroc(correct, score, kinds)
        weights = self.weights if rows.size == self.correct.size else self.weights.T[rows].T
        drawn = auroc_replicates(correct, score, weights=weights, kinds=kinds)
        return known, drawn + _of_fitting(signal, score, drawn.size, mixed=self.is_mixed)


def _of_fitting(signal: SignalResult, score: np.ndarray, n: int, *, mixed: bool) -> np.ndarray:
    """What another fit would add to each replicate: 0 for what was not fitted on labels.

    Normal, with the standard error that fitting adds; drawn anew for every score, so that it does
    not cancel out between two fitted ones.
    """
    if signal.fit is None:
        return np.zeros(n)
    spread = signal.fit.stderr_within_kind if mixed else signal.fit.stderr
    seed = list(hashlib.sha256(score.tobytes()).digest()[:8])
    return np.random.default_rng(seed).normal(0.0, spread, n)


def _auroc(correct: np.ndarray, score: np.ndarray, kinds: list[str] | None) -> float:
    return auroc(correct, score) if kinds is None else within_kind_auroc(correct, score, kinds)


def _ranked_signals(
    signals: Sequence[SignalResult], drawn: _Drawn
) -> tuple[tuple[SignalRank, ...], int]:
    if not signals:
        raise UndefinedMetricError("no signal has a figure to rank")
    present = np.isfinite([drawn.scores[signal.name] for signal in signals]).all(axis=0)
    rows = np.flatnonzero(present)
    found = [drawn.auroc(signal, rows) for signal in signals]
    ranks = rank_intervals([value for value, _ in found], [own for _, own in found])
    ranked = tuple(
        SignalRank(signal.name, signal.label, value, rank)
        for signal, (value, _), rank in zip(signals, found, ranks, strict=True)
    )
    return ranked, int(rows.size)


def _headlines(signals: Sequence[SignalResult], drawn: _Drawn) -> list[Replicates]:
    found = []
    for signal in signals:
        if signal.name in BY_NAME and BY_NAME[signal.name].headline:
            rows = np.flatnonzero(np.isfinite(drawn.scores[signal.name]))
            value, replicates = drawn.auroc(signal, rows)  # defined: the card says so
            found.append(Replicates(signal.name, value, tuple(replicates.tolist())))
    return found


def _why_unranked(signal: SignalResult, n: int, *, mixed: bool) -> str | None:
    """Reason of a deployable signal without a rank, or None."""
    figure = signal.within_kind_auroc if mixed else signal.auroc
    if signal.invalid is not None:
        return f"INVALID: {signal.invalid}"
    if signal.not_offered is not None:
        return f"not offered: {signal.not_offered}"
    if figure.value is None or signal.warning is not None:
        return signal.warning or figure.reason or "no figure"
    if signal.is_partial:
        return f"missing on {signal.n_missing} of {n} samples"
    return None


def _identity(labelled: Sequence[SampleRecord]) -> str:
    digest = hashlib.sha256()
    for record in labelled:
        digest.update(f"{record.identity}\n{record.group}\n".encode())
    return digest.hexdigest()
