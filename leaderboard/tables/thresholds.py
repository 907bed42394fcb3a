"""Thresholds with a promise: what each signal allows to be shown, and risk over the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.results.aggregate import Board, TaskResult
from leaderboard.results.summary import Summary
from leaderboard.runs.read import Run
from leaderboard.tables.cells import Cell, figure, text_cell, undefined_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.abstention.at_threshold import risk_by_threshold
from metrics.abstention.promise import promised_threshold
from metrics.card.card import SignalResult
from metrics.errors import UndefinedMetricError
from metrics.record.columns import labelled_of, of_task
from metrics.signals import FREE, SIGNALS

RISKS = (0.05, 0.1, 0.2)
CONFIDENCE = 0.95
N_POINTS = 25
NOTE = (
    "Above which value an answer may be shown, so that at most 5, 10 or 20 % of the answers shown "
    f"are wrong: with confidence {CONFIDENCE:.0%} for new images like these, each promise by "
    "itself (Learn-then-Test over images). Below it the share of answers that are shown, and how "
    "many of them are wrong here. `vrp-leaderboard threshold` writes one as a policy. Signals that "
    "are fitted on labels of this run carry no promise: their values mean something else in the "
    "next run."
)


@dataclass(frozen=True)
class Promise:
    """A threshold that can be promised at a risk, or why there is none."""

    risk: float
    threshold: float | None = None
    coverage: float | None = None
    n_shown: int = 0
    n_wrong: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Point:
    """A threshold, the risk above it, and its upper bound."""

    threshold: float
    coverage: float
    risk: float
    high: float


@dataclass(frozen=True)
class SignalThresholds:
    """Promises of one signal at `RISKS`, and the curve of a headline signal."""

    name: str
    promises: tuple[Promise, ...]
    curve: tuple[Point, ...]


def _thresholds(run: Run, task: str) -> tuple[SignalThresholds, ...] | None:
    records = labelled_of(run.of_task(task))
    names = set(records.signal_names())
    broken = of_task(run.manifest.invalid, task)
    correct = [float(label) for label in records.values("correct")]
    groups = records.values("group")
    found = []
    for signal in SIGNALS:
        if signal.access != "deployable" or signal.fitted or signal.name in broken:
            continue
        if signal.name not in names:
            continue
        score = records.signal(signal.name)
        if np.isfinite(score).any() and not np.isinf(score).any():
            shown = signal.headline or signal.name == FREE
            curve = _curve(correct, score, groups) if shown else ()
            promises = tuple(_promise(correct, score, groups, risk) for risk in RISKS)
            found.append(SignalThresholds(signal.name, promises, curve))
    return tuple(found) or None


THRESHOLDS = Summary("thresholds", tuple[SignalThresholds, ...], _thresholds)


def thresholds_in(result: TaskResult, name: str) -> SignalThresholds | None:
    """What was found for a signal, if anything."""
    own: Sequence[SignalThresholds] = result.further.get(THRESHOLDS.key, ())
    return next((found for found in own if found.name == name), None)


def threshold_tables(board: Board, task: str) -> list[Table]:
    """A block per model: each signal that carries a promise, the one that shows most first."""
    blocks = []
    for run, result in board.of_task(task):
        rows = tuple(_row(signal, own) for signal, own in _shown(result))
        blocks += [Block(text_cell(run.label).lines[0], rows)] if rows else []
    if not blocks:
        return []
    columns = ("signal", *(f"at most {100 * risk:g} % wrong" for risk in RISKS))
    title = task_title("Thresholds with a promise", task)
    return [Table(f"thresholds-{task}", title, columns, tuple(blocks), (NOTE,))]


def _curve(correct: Sequence[float], score: np.ndarray, groups: Sequence[str]) -> tuple[Point, ...]:
    points = risk_by_threshold(correct, score, groups, confidence=CONFIDENCE, n_points=N_POINTS)
    return tuple(
        Point(p.threshold, p.n_shown / p.n, p.risk, p.high) for p in points if p.risk is not None
    )


def _promise(
    correct: Sequence[float], score: np.ndarray, groups: Sequence[str], risk: float
) -> Promise:
    try:
        found = promised_threshold(correct, score, groups, risk=risk, confidence=CONFIDENCE).found
    except UndefinedMetricError as undefined:
        return Promise(risk, reason=str(undefined))
    return Promise(risk, found.threshold, found.n_shown / found.n, found.n_shown, found.n_wrong)


def _shown(result: TaskResult) -> list[tuple[SignalResult, SignalThresholds]]:
    found = [
        (signal, own)
        for signal in result.card.signals
        if signal.is_scored
        and signal.copy_of is None
        and (own := thresholds_in(result, signal.name)) is not None
    ]
    return sorted(found, key=lambda pair: [-(p.coverage or 0) for p in pair[1].promises])


def _row(signal: SignalResult, own: SignalThresholds) -> tuple[Cell, ...]:
    return (text_cell(signal.label), *(_cell(promise) for promise in own.promises))


def _cell(promise: Promise) -> Cell:
    if promise.threshold is None or promise.coverage is None:
        return undefined_cell(promise.reason or "")
    shown = (
        f"≥ {figure(promise.threshold, '{:.3g}')}",
        f"shows {100 * promise.coverage:.3g} %, {promise.n_wrong} of {promise.n_shown} wrong",
    )
    return Cell(shown, promise.coverage)
