"""Every detector against the free one: per benchmark, and over benchmarks and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.cost_front import class_of
from leaderboard.results.screen import ALPHA
from metrics.card.card import Contrast, SignalResult
from metrics.comparison.differences import holm, smallest_detectable_difference
from metrics.comparison.random_effects import RandomEffects, random_effects_mean
from metrics.core.estimate import Estimate
from metrics.signals import FREE

Standing = Literal["the free one", "better than free", "worse", "cannot tell", "not compared"]


@dataclass(frozen=True)
class Entry:
    """One detector on one benchmark and model.

    ``p_value`` is of no difference to the free signal, Holm over all entries of the benchmark.
    ``detectable`` is the smallest true difference that this test would have found with 80 % power.
    ``reason`` says why it is not compared.
    """

    run: RunResult
    task: TaskResult
    signal: SignalResult
    cost_class: int
    standing: Standing
    contrast: Contrast | None = None
    p_value: float | None = None
    detectable: float | None = None
    reason: str | None = None

    @property
    def figure(self) -> Estimate:
        """AUROC, within kinds where they are mixed."""
        return self.signal.within_kind_auroc if self.task.is_mixed else self.signal.auroc

    @property
    def difference(self) -> Estimate | None:
        """The figure less that of the free signal, on the answers that have both."""
        return None if self.contrast is None else self.contrast.decisive.estimate


Arena = dict[str, tuple[Entry, ...]]  # of each benchmark


@dataclass(frozen=True)
class Pooled:
    """One detector over all benchmarks and models on which it was compared with the free one."""

    name: str
    label: str
    cost_class: int
    n_better: int
    n_worse: int
    n_undecided: int
    effects: RandomEffects

    @property
    def n(self) -> int:
        """Settings, each a model on a benchmark."""
        return self.n_better + self.n_worse + self.n_undecided


def entries_of(board: Board, task: str) -> tuple[Entry, ...]:
    """Every deployable detector and fusion of every model on one benchmark.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    tuple of Entry
        By model, the highest first and what has no figure last. Copies are not there.
    """
    found = [
        _entry(run, result, signal)
        for run, result in board.of_task(task)
        for signal in _detectors(result)
    ]
    plain = {i: p for i, entry in enumerate(found) if (p := _p_value(entry)) is not None}
    if plain:
        adjusted = holm(list(plain.values())).tolist()
        for index, p in zip(plain, adjusted, strict=True):
            found[index] = _judged(found[index], p, ALPHA / len(plain))
    order = {id(run): number for number, run in enumerate(board.runs)}
    return tuple(sorted(found, key=lambda e: (order[id(e.run)], _falling(e.figure))))


def arena_of(board: Board) -> Arena:
    """`entries_of` every benchmark, to be computed once for all that shows them."""
    return {task: entries_of(board, task) for task in board.tasks}


def pooled_of(board: Board) -> tuple[Pooled, ...]:
    """Every detector over benchmarks and models: how often better than free, and by how much.

    Parameters
    ----------
    board : Board
        All results.

    Returns
    -------
    tuple of Pooled
        The highest mean difference first.
    """
    own: dict[str, list[Entry]] = {}
    for task in board.tasks:
        for entry in entries_of(board, task):
            if entry.standing in ("better than free", "worse", "cannot tell"):
                own.setdefault(entry.signal.name, []).append(entry)
    found = [_pooled(entries) for entries in own.values()]
    return tuple(sorted(found, key=lambda p: _falling(p.effects.mean)))


def _detectors(result: TaskResult) -> Iterator[SignalResult]:
    for signal in result.card.signals:
        if signal.access == "deployable" and signal.copy_of is None:
            yield signal
    for fusion in result.card.fusion:
        if fusion.reason is None:
            yield replace(fusion.result, name=fusion.name)


def _entry(run: RunResult, result: TaskResult, signal: SignalResult) -> Entry:
    cost_class = class_of(signal.name, result)
    if signal.name == FREE and signal.is_scored:
        return Entry(run, result, signal, cost_class, "the free one")
    contrast = next(
        (c for c in result.card.contrasts if (c.signal, c.baseline) == (signal.name, FREE)), None
    )
    if contrast is None:
        why = _why_unscored(signal) or "this run has no valid token confidence"
        return Entry(run, result, signal, cost_class, "not compared", reason=why)
    reason = contrast.no_verdict or contrast.decisive.estimate.reason
    if reason is None and contrast.p_value is None:
        reason = contrast.decisive.estimate.note or "no test"
    standing: Standing = "cannot tell" if reason is None else "not compared"
    return Entry(run, result, signal, cost_class, standing, contrast, reason=reason)


def _why_unscored(signal: SignalResult) -> str | None:
    if signal.invalid is not None:
        return f"INVALID: {signal.invalid}"
    return None if signal.not_offered is None else f"not offered: {signal.not_offered}"


def _p_value(entry: Entry) -> float | None:
    return None if entry.contrast is None else entry.contrast.p_value


def _judged(entry: Entry, p_value: float, alpha: float) -> Entry:
    contrast = entry.contrast
    assert contrast is not None
    found = contrast.decisive
    stderr, value = found.estimate.stderr, found.estimate.value or 0.0
    detectable = None
    if stderr:
        detectable = smallest_detectable_difference(stderr, alpha=alpha, degrees=found.degrees)
    standing: Standing = "cannot tell"
    if p_value <= ALPHA:
        standing = "better than free" if value > 0 else "worse"
    return replace(entry, standing=standing, p_value=p_value, detectable=detectable)


def _pooled(entries: Sequence[Entry]) -> Pooled:
    standings = [entry.standing for entry in entries]
    estimates = [e.difference for e in entries if e.difference and e.difference.stderr]
    effects = random_effects_mean(
        [e.value for e in estimates if e.value is not None],
        [e.stderr for e in estimates if e.stderr],
    )
    first = entries[0]
    return Pooled(
        first.signal.name,
        first.signal.label,
        first.cost_class,
        standings.count("better than free"),
        standings.count("worse"),
        standings.count("cannot tell"),
        effects,
    )


def _falling(figure: Estimate) -> float:
    return 2.0 if figure.value is None else -figure.value
