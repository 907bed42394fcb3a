"""The figures that a release check looks at, each in both runs on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaderboard.release.calibration import Found, calibration_change
from leaderboard.release.robustness import area_change
from leaderboard.release.tolerances import (
    ACCURACY,
    RANKING_GATES,
    ROBUSTNESS,
    Tolerances,
    signal_of,
)
from leaderboard.release.verdicts import Change, reason_against
from leaderboard.runs.read import Run
from metrics.card.statistics import Gate as StatisticGate
from metrics.card.statistics import TwoRuns
from metrics.comparison.detectable import detectable_ranking_difference
from metrics.comparison.differences import Difference
from metrics.comparison.margins import beyond_margin
from metrics.comparison.paired_proportions import (
    detectable_proportion_difference,
    paired_proportion_difference,
)
from metrics.core.limits import too_few_images
from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.record.records import SampleRecord
from metrics.scores.bootstrap import Estimate

Fit = Mapping[str, float | None]
Pairs = Sequence[tuple[SampleRecord, SampleRecord]]
NO_SWEEP = "the runs did not sweep the same interventions on common samples"
NO_SIGNAL = "no sample has the signal in both runs"


@dataclass(frozen=True)
class _Sides:
    """A gate with the samples that both runs have of it."""

    gate: str
    margin: float
    task: str
    runs: TwoRuns

    @property
    def kind(self) -> str:
        """The figure, without the signal it is of."""
        return self.gate.partition(".")[0]


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
        In the order of the tolerances.
    """
    found = []
    for gate, margin in tolerances.margins.items():
        if gate == ROBUSTNESS:
            change = area_change(old, new, task, margin=margin)
            found.append(change or _nothing(gate, NO_SWEEP))
        elif (reason := not_offered_reason(gate, task, old, new)) is not None:
            found.append(replace(_nothing(gate, reason), not_offered=True))
        else:
            key = f"{task}:{signal_of(gate)}"
            fits = old.manifest.fits.get(key, {}), new.manifest.fits.get(key, {})
            found.append(_change(_sides(gate, margin, task, pairs, fits)))
    return found


def not_offered_reason(gate: str, task: str, old: Run, new: Run) -> str | None:
    """Why a run, by its access or its settings, does not offer a gate's signal; None if both do."""
    name = signal_of(gate)
    reasons = {
        side: run.manifest.not_offered.get(f"{task}:{name}")
        for side, run in (("old", old), ("new", new))
    }
    found = [f"{reason} in the {side} run" for side, reason in reasons.items() if reason]
    return "; ".join(found) or None


def _nothing(gate: str, reason: str, n: int = 0, n_groups: int = 0) -> Change:
    return Change(gate, None, None, n, n_groups, Difference(Estimate.undefined(reason), None, None))


def _sides(
    gate: str,
    margin: float,
    task: str,
    pairs: Pairs,
    fits: tuple[Fit, Fit],
) -> _Sides:
    name = signal_of(gate)
    correct = np.array([[a.correct, b.correct] for a, b in pairs], dtype=float).T
    scores = np.zeros(correct.shape)
    if name is not None:
        scores = np.array([[r.signals.get(name) for r in pair] for pair in pairs], dtype=float).T
    rows = np.flatnonzero(np.isfinite(scores).all(axis=0)).tolist()
    kinds = [pairs[i][0].kind for i in rows]
    key = "stderr_within_kind" if len(set(kinds)) > 1 else "stderr"
    runs = TwoRuns(
        correct[:, rows],
        scores[:, rows],
        [pairs[i][0].group for i in rows],
        kinds,
        np.array([fit.get(key) or 0.0 for fit in fits]),
    )
    return _Sides(gate, margin, task, runs)


def _change(sides: _Sides) -> Change:
    gate, groups = sides.gate, sides.runs.groups
    n, n_groups = len(groups), len(set(groups))
    if not n:
        return _nothing(gate, NO_SIGNAL)
    try:
        old, new, difference = _compared(sides)
    except UndefinedMetricError as undefined:
        return _nothing(gate, str(undefined), n, n_groups)
    few = reason_against(gate, list(sides.runs.correct), n_groups)
    if few is None and difference.degrees is not None:  # images that are compared at all
        few = too_few_images(int(difference.degrees) + 1)
    if few is not None:
        difference = Difference(Estimate.undefined(few), None, None)
        return Change(gate, old, new, n, n_groups, difference)
    if gate != ACCURACY:
        difference = beyond_margin(difference, margin=sides.margin, n_groups=n_groups)
    return Change(gate, old, new, n, n_groups, difference, _detectable(sides, difference))


def _compared(sides: _Sides) -> Found:
    """Old, new, and new less old."""
    runs, compare = sides.runs, _gate_of(sides)
    if sides.kind == ACCURACY:
        old, new = runs.correct
        difference = paired_proportion_difference(new, old, groups=runs.groups, margin=sides.margin)
        return float(old.mean()), float(new.mean()), difference
    if compare is None:
        rng = rng_for(sides.task)
        return calibration_change(sides.gate, runs.correct, runs.scores, runs.groups, rng=rng)
    difference = compare.difference(runs)
    return _or_none(compare, runs, runs.old), _or_none(compare, runs, runs.new), difference


def _gate_of(sides: _Sides) -> StatisticGate | None:
    """How a statistic of the ranking is compared; None for other gates."""
    statistic = RANKING_GATES.get(sides.kind)
    return None if statistic is None else statistic.gate


def _detectable(sides: _Sides, found: Difference) -> Callable[[float], float | None] | None:
    """What is found at a level, for gates whose standard error depends on the change."""
    runs, compare = sides.runs, _gate_of(sides)
    if sides.kind == ACCURACY:
        old, new = runs.correct
        return lambda alpha: detectable_proportion_difference(
            new, old, groups=runs.groups, margin=sides.margin, alpha=alpha
        )
    figure = None if compare is None else compare.detectable
    if figure is None:
        return None
    return lambda alpha: detectable_ranking_difference(
        found,
        runs.new,
        runs.old,
        groups=runs.groups,
        kinds=runs.strata if figure == "auroc" else None,
        figure=figure,
        margin=sides.margin,
        alpha=alpha,
    )


def _or_none(
    compare: StatisticGate, runs: TwoRuns, side: tuple[np.ndarray, np.ndarray]
) -> float | None:
    try:
        return compare.value(*side, runs.strata)
    except UndefinedMetricError:
        return None
