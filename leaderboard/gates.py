"""The figures that a release check looks at, each in both runs on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.calibration_gates import Found, calibration_change
from leaderboard.ranking import LEAST
from leaderboard.read import Run
from leaderboard.robustness_gate import area_change
from leaderboard.tolerances import ACCURACY, ROBUSTNESS, STATED_GATES, Tolerances, signal_of
from leaderboard.verdicts import Change
from metrics.bootstrap import Estimate, cluster_weights
from metrics.comparison import Difference
from metrics.discrimination import auroc, within_kind_auroc
from metrics.errors import UndefinedMetricError
from metrics.paired_differences import (
    paired_augrc_difference,
    paired_auroc_difference,
    paired_mean_difference,
)
from metrics.record_card import rng_for
from metrics.records import SampleRecord
from metrics.selective import augrc

Pairs = Sequence[tuple[SampleRecord, SampleRecord]]
NO_SWEEP = "the runs did not sweep the same interventions on common samples"
NO_SIGNAL = "no sample has the signal in both runs"


@dataclass(frozen=True)
class _Sides:
    """Labels, scores, groups and kinds of the samples that both runs have; old is row 0."""

    gate: str
    correct: np.ndarray
    scores: np.ndarray
    groups: list[str]
    kinds: list[str]
    weights: np.ndarray
    task: str

    @property
    def old(self) -> tuple[np.ndarray, np.ndarray]:
        return self.correct[0], self.scores[0]

    @property
    def new(self) -> tuple[np.ndarray, np.ndarray]:
        return self.correct[1], self.scores[1]


def changes_of(task: str, old: Run, new: Run, pairs: Pairs, tolerances: Tolerances) -> list[Change]:
    """Every declared gate on one task.

    Parameters
    ----------
    task : str
        In both runs.
    old, new : Run
        The release that stands and the one that would replace it.
    pairs : sequence of (SampleRecord, SampleRecord)
        Both records of each sample that both runs answered and have a label for.
    tolerances : Tolerances
        Names the gates.

    Returns
    -------
    list of Change
        All on the same resamples over images.
    """
    groups = [record.group for record, _ in pairs]
    weights = cluster_weights(groups, n_resamples=tolerances.n_resamples, rng=rng_for(task))
    found = []
    for gate in tolerances.margins:
        if gate == ROBUSTNESS:
            change = area_change(old, new, task, n_resamples=tolerances.n_resamples)
            nothing = Difference(Estimate.undefined(NO_SWEEP), None, None)
            found.append(Change(gate, None, None, len(pairs), change or nothing))
        else:
            found.append(_change(gate, _sides(gate, task, pairs, weights)))
    return found


def _sides(gate: str, task: str, pairs: Pairs, weights: np.ndarray) -> _Sides:
    name = signal_of(gate)
    correct = np.array([[a.correct, b.correct] for a, b in pairs], dtype=float).T
    scores = np.zeros(correct.shape)
    if name is not None:
        scores = np.array([[r.signals.get(name) for r in pair] for pair in pairs], dtype=float).T
    rows = np.flatnonzero(np.isfinite(scores).all(axis=0)).tolist()
    return _Sides(
        gate,
        correct[:, rows],
        scores[:, rows],
        [pairs[i][0].group for i in rows],
        [pairs[i][0].kind for i in rows],
        weights.T[rows].T,
        task,
    )


def _change(gate: str, sides: _Sides) -> Change:
    n = len(sides.groups)
    if not n:
        return Change(gate, None, None, 0, Difference(Estimate.undefined(NO_SIGNAL), None, None))
    try:
        old, new, difference = _GATES[gate.partition(".")[0]](sides)
    except UndefinedMetricError as undefined:
        nothing = Difference(Estimate.undefined(str(undefined)), None, None)
        return Change(gate, None, None, n, nothing)
    few = _too_few(sides.correct) if gate != "accuracy" else None
    if few is not None:
        difference = Difference(Estimate.undefined(few), None, None)
    return Change(gate, old, new, n, difference)


def _too_few(correct: np.ndarray) -> str | None:
    """Why there is no verdict, if either run has fewer than 30 right or wrong answers."""
    counts = [
        (int(k), name)
        for row in correct
        for k, name in ((row.sum(), "right"), ((1 - row).sum(), "wrong"))
    ]
    least, name = min(counts)
    return f"{least} {name} answers only: no verdict below {LEAST}" if least < LEAST else None


def _accuracy(sides: _Sides) -> Found:
    old, new = sides.correct
    difference = paired_mean_difference(new, old, weights=sides.weights)
    return float(old.mean()), float(new.mean()), difference


def _auroc(sides: _Sides) -> Found:
    kinds = sides.kinds if len(set(sides.kinds)) > 1 else None
    difference = paired_auroc_difference(sides.new, sides.old, weights=sides.weights, kinds=kinds)

    def figure(y: np.ndarray, s: np.ndarray) -> float:
        return auroc(y, s) if kinds is None else within_kind_auroc(y, s, kinds)

    return _or_none(figure, *sides.old), _or_none(figure, *sides.new), difference


def _augrc(sides: _Sides) -> Found:
    difference = paired_augrc_difference(sides.new, sides.old, weights=sides.weights)
    return _or_none(augrc, *sides.old), _or_none(augrc, *sides.new), difference


def _calibration(sides: _Sides) -> Found:
    return calibration_change(
        sides.gate, sides.correct, sides.scores, sides.groups, rng=rng_for(sides.task)
    )


def _or_none(
    figure: Callable[[np.ndarray, np.ndarray], float], y: np.ndarray, s: np.ndarray
) -> float | None:
    try:
        return figure(y, s)
    except UndefinedMetricError:
        return None


_GATES = {ACCURACY: _accuracy, "auroc": _auroc, "augrc": _augrc} | dict.fromkeys(
    ("brier", "ece", *STATED_GATES), _calibration
)
