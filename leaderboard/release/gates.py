"""The figures that a release check looks at, each in both runs on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaderboard.release.calibration import Found, calibration_change
from leaderboard.release.robustness import area_change
from leaderboard.release.tolerances import ACCURACY, ROBUSTNESS, STATED_GATES, Tolerances, signal_of
from leaderboard.release.verdicts import Change, reason_against
from leaderboard.runs.read import Run
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
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.paired_differences import (
    paired_augrc_difference,
    paired_auroc_difference,
)
from metrics.scores.selective import augrc

Fit = Mapping[str, float | None]
Pairs = Sequence[tuple[SampleRecord, SampleRecord]]
NO_SWEEP = "the runs did not sweep the same interventions on common samples"
NO_SIGNAL = "no sample has the signal in both runs"


@dataclass(frozen=True)
class _Sides:
    """Labels, scores, groups and kinds of the samples that both runs have; old is row 0.

    ``fits`` are the manifests' entries of the signal, empty for one that is not fitted.
    """

    gate: str
    margin: float
    correct: np.ndarray
    scores: np.ndarray
    groups: list[str]
    kinds: list[str]
    task: str
    fits: tuple[Fit, Fit]

    @property
    def is_mixed(self) -> bool:
        return len(set(self.kinds)) > 1

    @property
    def n_groups(self) -> int:
        return len(set(self.groups))

    @property
    def fit_stderr(self) -> np.ndarray:
        """What fitting adds to the standard error of each run's AUROC."""
        key = "stderr_within_kind" if self.is_mixed else "stderr"
        return np.array([fit.get(key) or 0.0 for fit in self.fits])

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
    return _Sides(
        gate,
        margin,
        correct[:, rows],
        scores[:, rows],
        [pairs[i][0].group for i in rows],
        [pairs[i][0].kind for i in rows],
        task,
        fits,
    )


def _change(sides: _Sides) -> Change:
    gate, n, n_groups = sides.gate, len(sides.groups), sides.n_groups
    if not n:
        return _nothing(gate, NO_SIGNAL)
    try:
        old, new, difference = _GATES[gate.partition(".")[0]](sides)
    except UndefinedMetricError as undefined:
        return _nothing(gate, str(undefined), n, n_groups)
    few = reason_against(gate, list(sides.correct), n_groups)
    if few is None and difference.degrees is not None:  # images that are compared at all
        few = too_few_images(int(difference.degrees) + 1)
    if few is not None:
        difference = Difference(Estimate.undefined(few), None, None)
        return Change(gate, old, new, n, n_groups, difference)
    if gate != ACCURACY:
        difference = beyond_margin(difference, margin=sides.margin, n_groups=n_groups)
    return Change(gate, old, new, n, n_groups, difference, _detectable(sides, difference))


def _accuracy(sides: _Sides) -> Found:
    old, new = sides.correct
    difference = paired_proportion_difference(new, old, groups=sides.groups, margin=sides.margin)
    return float(old.mean()), float(new.mean()), difference


def _detectable(sides: _Sides, found: Difference) -> Callable[[float], float | None] | None:
    """What is found at a level, for gates whose standard error depends on the change."""
    kind = sides.gate.partition(".")[0]
    if kind == ACCURACY:
        old, new = sides.correct
        return lambda alpha: detectable_proportion_difference(
            new, old, groups=sides.groups, margin=sides.margin, alpha=alpha
        )
    if kind not in ("auroc", "augrc"):
        return None
    return lambda alpha: detectable_ranking_difference(
        found,
        sides.new,
        sides.old,
        groups=sides.groups,
        kinds=sides.kinds if kind == "auroc" and sides.is_mixed else None,
        figure="auroc" if kind == "auroc" else "augrc",
        margin=sides.margin,
        alpha=alpha,
    )


def _auroc(sides: _Sides) -> Found:
    kinds = sides.kinds if sides.is_mixed else None
    difference = paired_auroc_difference(
        sides.new,
        sides.old,
        groups=sides.groups,
        kinds=kinds,
        fit_variance=float(np.square(sides.fit_stderr).sum()),
    )

    def figure(y: np.ndarray, s: np.ndarray) -> float:
        return auroc(y, s) if kinds is None else within_kind_auroc(y, s, kinds)

    return _or_none(figure, *sides.old), _or_none(figure, *sides.new), difference


def _augrc(sides: _Sides) -> Found:
    accuracy = sides.correct.mean(axis=1)
    fit_stderr = accuracy * (1 - accuracy) * sides.fit_stderr
    difference = paired_augrc_difference(
        sides.new,
        sides.old,
        groups=sides.groups,
        fit_variance=float(np.square(fit_stderr).sum()),
    )
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
