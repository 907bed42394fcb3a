"""Release check: two runs on the same samples, their paired differences and a verdict per gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.read import Run
from leaderboard.verdicts import Difference, Gate, Tolerances, judge
from metrics.bootstrap import cluster_weights
from metrics.discrimination import auroc, within_kind_auroc
from metrics.errors import UndefinedMetricError
from metrics.record_card import rng_for
from metrics.records import SampleRecord

SAMPLING = ("k", "temperature", "top_p", "top_k", "seed")
TASK_FIELDS = ("version", "split", "threshold", "generation")
MAX_NAMED = 3
MAX_DROPPED = 0.1
LEVEL = (0.025, 0.975)


class IncomparableError(ValueError):
    """The two runs did not do the same thing; the message says in what they differ."""


@dataclass(frozen=True)
class TaskComparison:
    """Gates of one task, and how many samples both runs answered."""

    task: str
    n: int
    n_groups: int
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Comparison:
    """Verdicts on NEW against OLD; ``differing`` names what was let pass on request."""

    old: str
    new: str
    tasks: tuple[TaskComparison, ...]
    differing: tuple[str, ...] = ()

    @property
    def gates(self) -> list[tuple[str, Gate]]:
        """Every gate with its task."""
        return [(task.task, gate) for task in self.tasks for gate in task.gates]

    @property
    def has_regressed(self) -> bool:
        """Whether any gate did."""
        return any(gate.verdict == "regressed" for _, gate in self.gates)


def compare_runs(
    old: Run, new: Run, tolerances: Tolerances, *, allow_different: bool = False
) -> Comparison:
    """Compare two runs on the samples that both answered.

    Both models are resampled together over images, so the interval is that of the difference. All
    gates of all tasks are adjusted together.

    Parameters
    ----------
    old, new : Run
        The release that stands and the one that would replace it.
    tolerances : Tolerances
        Margins and error rate.
    allow_different : bool, default False
        Compare although tasks, prompts, labels or sampling differ; what differs is listed.

    Returns
    -------
    Comparison

    Raises
    ------
    IncomparableError
        If the runs share no sample, or differ and ``allow_different`` is False.
    """
    shared = [task for task in old.manifest.tasks if task in new.manifest.tasks]
    if not shared:
        raise IncomparableError("the runs have no task in common.")
    pairs = {task: _pair(old.of_task(task), new.of_task(task)) for task in shared}
    differing = [*_settings_differ(old, new)]
    for task in shared:
        differing += _task_differs(task, old, new, pairs[task])
    rejected = _rejected(shared, old, new, tolerances)
    if rejected:
        raise IncomparableError(f"a gate cannot be judged: {'; '.join(rejected)}.")
    if differing and not allow_different:
        raise IncomparableError(
            f"the runs differ in {'; '.join(differing)}. --allow-different compares them anyway."
        )
    if not any(pairs.values()):
        raise IncomparableError("the runs have no labelled sample in common.")
    differences = {
        task: _differences(task, pairs[task], tolerances) for task in shared if pairs[task]
    }
    judged = iter(judge([d for ds in differences.values() for d in ds], tolerances))
    tasks = tuple(
        TaskComparison(
            task=task,
            n=len(pairs[task]),
            n_groups=len({record.group for record, _ in pairs[task]}),
            gates=tuple(next(judged) for _ in found),
        )
        for task, found in differences.items()
    )
    return Comparison(_name(old), _name(new), tasks, tuple(differing))


Pairs = list[tuple[SampleRecord, SampleRecord]]


def _pair(old: Sequence[SampleRecord], new: Sequence[SampleRecord]) -> Pairs:
    """Both records of each sample that both runs answered and have a label for."""
    by_identity = {record.identity: record for record in new}
    pairs = [(r, by_identity[r.identity]) for r in old if r.identity in by_identity]
    return [(a, b) for a, b in pairs if a.correct is not None and b.correct is not None]


def _settings_differ(old: Run, new: Run) -> list[str]:
    a, b = old.manifest.settings, new.manifest.settings
    keys = [key for key in SAMPLING if a.get(key) != b.get(key)]
    return [f"{key} ({a.get(key)} and {b.get(key)})" for key in keys]


def _rejected(tasks: Sequence[str], old: Run, new: Run, tolerances: Tolerances) -> list[str]:
    """Gates whose signal the validity gate rejected: a broken hook must not pass as no change."""
    return [
        f"{gate} on {task} is INVALID in the {side} run ({reason})"
        for task in tasks
        for gate in tolerances.margins
        for side, run in (("old", old), ("new", new))
        if (reason := run.manifest.invalid.get(f"{task}:{gate.removeprefix('auroc.')}"))
    ]


def _task_differs(task: str, old: Run, new: Run, pairs: Pairs) -> list[str]:
    a, b = old.manifest.tasks[task], new.manifest.tasks[task]
    found = [
        f"{task}'s {key} ({a.get(key)} and {b.get(key)})"
        for key in TASK_FIELDS
        if a.get(key) != b.get(key)
    ]
    n_old, n_new = len(old.of_task(task)), len(new.of_task(task))
    if not n_old == n_new == len(pairs):
        found.append(f"{task}'s samples ({n_old} and {n_new}, {len(pairs)} labelled in both)")
    for field in ("prompt", "target", "group", "kind"):
        unequal = [x.doc_id for x, y in pairs if getattr(x, field) != getattr(y, field)]
        if unequal:
            named = ", ".join(unequal[:MAX_NAMED]) + (", …" if len(unequal) > MAX_NAMED else "")
            found.append(f"{task}'s {field} of {len(unequal)} sample(s) ({named})")
    return found


def _differences(task: str, pairs: Pairs, tolerances: Tolerances) -> list[Difference]:
    groups = [old.group for old, _ in pairs]
    weights = cluster_weights(groups, n_resamples=tolerances.n_resamples, rng=rng_for(task))
    correct = np.array([[old.correct, new.correct] for old, new in pairs], dtype=float).T
    kinds = np.array([old.kind for old, _ in pairs])
    found = []
    for gate in tolerances.margins:
        if gate == "accuracy":
            found.append(_joint(gate, weights, np.ones(len(pairs), bool), _mean_of(correct)))
            continue
        name = gate.removeprefix("auroc.")
        scores = np.array([[r.signals.get(name) for r in pair] for pair in pairs], dtype=float).T
        present = np.isfinite(scores).all(axis=0)
        found.append(_joint(gate, weights, present, _auroc_of(correct, scores, kinds)))
    return found


Statistic = Callable[[int, np.ndarray], float]


def _mean_of(correct: np.ndarray) -> Statistic:
    return lambda run, rows: float(correct[run, rows].mean())


def _auroc_of(correct: np.ndarray, scores: np.ndarray, kinds: np.ndarray) -> Statistic:
    mixed = len(set(kinds)) > 1

    def statistic(run: int, rows: np.ndarray) -> float:
        y, s = correct[run, rows], scores[run, rows]
        return within_kind_auroc(y, s, kinds[rows]) if mixed else auroc(y, s)

    return statistic


def _joint(gate: str, weights: np.ndarray, present: np.ndarray, statistic: Statistic) -> Difference:
    """Difference of one figure, both runs resampled by the same images."""
    if not present.any():
        return Difference(gate, reason="no sample has the signal in both runs")
    rows = np.flatnonzero(present)
    try:
        old, new = statistic(0, rows), statistic(1, rows)
    except UndefinedMetricError as undefined:
        return Difference(gate, reason=str(undefined))
    drawn = [_difference_of(statistic, np.repeat(rows, w[rows])) for w in weights]
    replicates = np.array([value for value in drawn if value is not None])
    if len(replicates) < max(2, (1 - MAX_DROPPED) * len(drawn)):
        lost = len(drawn) - len(replicates)
        reason = f"{lost} of {len(drawn)} resamples lack a class"
        return Difference(gate, old, new, reason=reason)
    low, high = np.quantile(replicates, LEVEL)
    stderr = float(replicates.std(ddof=1))
    return Difference(gate, old, new, float(low), float(high), stderr)


def _difference_of(statistic: Statistic, rows: np.ndarray) -> float | None:
    try:
        return statistic(1, rows) - statistic(0, rows) if rows.size else None
    except UndefinedMetricError:
        return None


def _name(run: Run) -> str:
    return f"{run.model} ({run.path})"
