"""How many images and questions would show a difference, for each comparison one may want."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.errors import LeaderboardError
from leaderboard.runs.read import Run
from metrics.comparison.differences import Difference, smallest_detectable_difference
from metrics.comparison.sample_size import images_for_difference
from metrics.core.limits import too_few_answers, too_few_images
from metrics.core.proportions import proportion_estimate
from metrics.errors import UndefinedMetricError
from metrics.record.columns import held, labelled_of, of_task, signal_columns
from metrics.record.records import SampleRecord
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.paired_differences import paired_auroc_difference
from metrics.signals import BY_NAME, FREE, SIGNALS


@dataclass(frozen=True)
class Wanted:
    """What is to be found, with which chance, at which two-sided level."""

    difference: float
    power: float
    alpha: float


@dataclass(frozen=True)
class Needed:
    """One comparison: what this run has, and what it would take.

    ``value`` is the difference in this run, None where it has only one side. ``detectable`` is the
    smallest true difference that this run would have found. ``design_effect`` is by how much the
    variance is larger than of as many questions each about an image of its own, of which ``alone``
    would do. ``reason`` says why there are no figures, ``note`` why not to trust them much.
    """

    comparison: str
    value: float | None = None
    detectable: float | None = None
    design_effect: float | None = None
    images: int | None = None
    questions: int | None = None
    alone: int | None = None
    n: int = 0
    n_groups: int = 0
    reason: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class _Column:
    """Labels and one or two scores of the answers that have them."""

    correct: np.ndarray
    scores: list[np.ndarray]
    groups: list[str]
    kinds: list[str] | None


def plan_of(run: Run, task: str, signals: Sequence[str], wanted: Wanted) -> list[Needed]:
    """What it takes to tell signals from the free one, and this model from another.

    Parameters
    ----------
    run : Run
        Its clustering is taken for that of the run to come.
    task : str
        One of its tasks.
    signals : sequence of str
        Each is compared with token confidence; empty for the headline of every origin.
    wanted : Wanted
        The difference to find.

    Returns
    -------
    list of Needed
        Of each signal, then of another model's AUROC and accuracy.

    Raises
    ------
    LeaderboardError
        If no answer of the task has a label, or a signal is not declared.
    """
    odd = [name for name in signals if name not in BY_NAME]
    if odd:
        raise LeaderboardError(f"{odd[0]!r} is no declared signal.")
    labelled = labelled_of(run.of_task(task))
    if not labelled:
        raise LeaderboardError(f"no answer of {task} has a label.")
    names = list(signals) or [s.name for s in SIGNALS if s.headline and s.name != FREE]
    found = [_of_signal(run, task, name, labelled, wanted) for name in names]
    return [*found, _of_ranking(labelled, wanted), _of_accuracy(labelled, wanted)]


def _of_signal(
    run: Run, task: str, name: str, labelled: Sequence[SampleRecord], wanted: Wanted
) -> Needed:
    comparison = f"AUROC: {BY_NAME[name].label} less {BY_NAME[FREE].label}"
    left_out = of_task(run.manifest.not_offered, task).get(name)
    broken = of_task(run.manifest.invalid, task).get(name)
    column = _column(labelled, (name, FREE))
    if broken or left_out or not column.groups:
        why = f"not offered: {left_out}" if left_out else "no answer has both"
        return Needed(comparison, reason=f"INVALID: {broken}" if broken else why)
    first, second = ((column.correct, score) for score in column.scores)
    key = "stderr" if column.kinds is None else "stderr_within_kind"
    fits = of_task(run.manifest.fits, task)
    added = sum(float(fits.get(s, {}).get(key) or 0.0) ** 2 for s in (name, FREE))

    def difference(groups: Sequence[object]) -> Difference:
        return paired_auroc_difference(
            first, second, groups=list(groups), kinds=column.kinds, fit_variance=added
        )

    try:
        own, alone = difference(column.groups), difference(range(len(column.groups)))
    except UndefinedMetricError as undefined:
        return Needed(comparison, reason=str(undefined))
    return _needed(comparison, own.estimate.value, own, alone, column, wanted)


def _of_ranking(labelled: Sequence[SampleRecord], wanted: Wanted) -> Needed:
    comparison = f"AUROC of {BY_NAME[FREE].label}: another model's less this one's"
    column = _column(labelled, (FREE,))
    if not column.groups:
        return Needed(comparison, reason="no answer has the signal")
    try:
        own, alone = (
            auroc_estimate(column.correct, column.scores[0], groups=groups, kinds=column.kinds)
            for groups in (column.groups, range(len(column.groups)))
        )
    except UndefinedMetricError as undefined:
        return Needed(comparison, reason=str(undefined))
    return _of_two(comparison, own.stderr, alone.stderr, own.reason, column, wanted)


def _of_accuracy(labelled: Sequence[SampleRecord], wanted: Wanted) -> Needed:
    comparison = "accuracy: another model's less this one's"
    column = _column(labelled, ())
    own, alone = (
        proportion_estimate(column.correct, groups)
        for groups in (column.groups, range(len(column.groups)))
    )
    return _of_two(comparison, own.stderr, alone.stderr, own.reason, column, wanted)


def _of_two(
    comparison: str,
    own: float | None,
    alone: float | None,
    reason: str | None,
    column: _Column,
    wanted: Wanted,
) -> Needed:
    """Two models whose errors have nothing in common: the variance of one, twice."""
    if own is None or alone is None:
        return Needed(comparison, reason=reason)
    return _figures(comparison, None, math.sqrt(2) * own, math.sqrt(2) * alone, column, wanted)


def _needed(
    comparison: str,
    value: float | None,
    own: Difference,
    alone: Difference,
    column: _Column,
    wanted: Wanted,
) -> Needed:
    if own.estimate.stderr is None or alone.estimate.stderr is None:
        return Needed(comparison, reason=own.estimate.reason or alone.estimate.reason)
    return _figures(comparison, value, own.estimate.stderr, alone.estimate.stderr, column, wanted)


def _figures(
    comparison: str, value: float | None, own: float, alone: float, column: _Column, wanted: Wanted
) -> Needed:
    n, n_groups = len(column.groups), len(set(column.groups))
    if not (own > 0 and alone > 0) or n_groups < 2:
        return Needed(
            comparison, value, n=n, n_groups=n_groups, reason="nothing differs over images"
        )
    asked = {"power": wanted.power, "alpha": wanted.alpha}
    images = images_for_difference(own, n_groups, difference=wanted.difference, **asked)
    n_right = int(column.correct.sum())
    return Needed(
        comparison,
        value,
        smallest_detectable_difference(own, degrees=n_groups - 1, **asked),
        (own / alone) ** 2,
        images,
        math.ceil(images * n / n_groups),
        images_for_difference(alone, n, difference=wanted.difference, **asked),
        n,
        n_groups,
        note=too_few_images(n_groups) or too_few_answers(n_right, n - n_right),
    )


def _column(labelled: Sequence[SampleRecord], names: Sequence[str]) -> _Column:
    there = signal_columns(labelled)
    nothing = np.full(len(labelled), np.nan)
    scores = [there.get(name, nothing) for name in names]
    has_all = np.logical_and.reduce([np.isfinite(s) for s in scores] or [~np.isfinite(nothing)])
    own = held(labelled).where(has_all)
    kinds = own.values("kind")
    return _Column(
        np.array(own.values("correct"), dtype=float),
        [score[has_all] for score in scores],
        own.values("group"),
        kinds if len(set(kinds)) > 1 else None,
    )
