"""Release check: two runs on the same samples, their paired differences and a verdict per gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.errors import IncomparableError
from leaderboard.policies.policy import Policy
from leaderboard.release.gates import Pairs, changes_of, not_offered_reason
from leaderboard.release.promises import Promise, promises_of
from leaderboard.release.tolerances import Tolerances, signal_of
from leaderboard.release.verdicts import Gate, judge
from leaderboard.runs.origin import adapter_of, engine_of, prompts_of
from leaderboard.runs.read import Run
from metrics.record.records import SampleRecord
from metrics.scores.validity import check_signal
from metrics.signals import ANY, BOUNDS

SAMPLING = ("k", "temperature", "top_p", "top_k", "seed")
LABELS = ("label", "labels")
TASK_FIELDS = ("version", "split", "threshold", "generation")
MAX_NAMED = 3
MAX_MISSING = 0.10  # by which a run may lack a signal more often than the other


@dataclass(frozen=True)
class TaskComparison:
    """Gates of one task, and how many samples both runs answered."""

    task: str
    n: int
    n_groups: int
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class Comparison:
    """Verdicts on NEW against OLD.

    ``differing`` names what was let pass on request; ``prompts`` says of each task whether both
    runs were asked in the same words, where that is not sure. ``promises`` are the policies asked
    for, held against NEW.
    """

    old: str
    new: str
    tasks: tuple[TaskComparison, ...]
    differing: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()

    @property
    def gates(self) -> list[tuple[str, Gate]]:
        """Every gate with its task."""
        return [(task.task, gate) for task in self.tasks for gate in task.gates]

    @property
    def has_regressed(self) -> bool:
        """Whether any gate did, or a promise is broken."""
        broken = any(promise.new.verdict == "broken" for promise in self.promises)
        return broken or any(gate.verdict == "regressed" for _, gate in self.gates)

    @property
    def is_undecided(self) -> bool:
        """Whether any gate, or promise, cannot tell."""
        verdicts = [gate.verdict for _, gate in self.gates]
        return "cannot tell" in [*verdicts, *(promise.new.verdict for promise in self.promises)]


def compare_runs(
    old: Run,
    new: Run,
    tolerances: Tolerances,
    *,
    allow_different: bool = False,
    policies: Sequence[Policy] = (),
) -> Comparison:
    """Compare two runs on the samples that both answered.

    Intervals are those of the difference, over images. All gates of all tasks are adjusted
    together.

    Parameters
    ----------
    old, new : Run
        The release that stands and the one that would replace it.
    tolerances : Tolerances
        Margins and error rate.
    allow_different : bool, default False
        Compare although tasks, prompts, labels, model arguments or sampling differ; what differs
        is listed.
    policies : sequence of Policy, default ()
        Thresholds whose promises are held against the new run; they are no part of the adjustment.

    Returns
    -------
    Comparison

    Raises
    ------
    IncomparableError
        If the runs share no sample, or differ and ``allow_different`` is False.
    PolicyError
        If a policy does not fit the new run.
    """
    shared = [task for task in old.manifest.tasks if task in new.manifest.tasks]
    if not shared:
        have = ", NEW ".join(", ".join(sorted(run.manifest.tasks)) for run in (old, new))
        raise IncomparableError(f"the runs have no task in common: OLD has {have}.")
    pairs = {task: _pair(old.of_task(task), new.of_task(task)) for task in shared}
    differing = [*_tasks_differ(old, new), *_settings_differ(old, new)]
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
    changes = {
        task: changes_of(task, old, new, pairs[task], tolerances) for task in shared if pairs[task]
    }
    judged = iter(judge([change for own in changes.values() for change in own], tolerances))
    tasks = tuple(
        TaskComparison(
            task=task,
            n=len(pairs[task]),
            n_groups=len({record.group for record, _ in pairs[task]}),
            gates=tuple(next(judged) for _ in found),
        )
        for task, found in changes.items()
    )
    prompts = tuple(filter(None, (_prompts(task, old, new) for task in shared)))
    promises = promises_of(policies, old, new, allow_different=allow_different)
    return Comparison(_name(old), _name(new), tasks, tuple(differing), prompts, promises)


def _pair(old: Sequence[SampleRecord], new: Sequence[SampleRecord]) -> Pairs:
    """Both records of each sample that both runs answered and have a label for."""
    by_identity = {record.identity: record for record in new}
    pairs = [(r, by_identity[r.identity]) for r in old if r.identity in by_identity]
    return [(a, b) for a, b in pairs if a.correct is not None and b.correct is not None]


def _tasks_differ(old: Run, new: Run) -> list[str]:
    """Benchmarks that one run lacks: a release must not pass by leaving one out."""
    names = sorted(old.manifest.tasks.keys() ^ new.manifest.tasks.keys())
    return [f"the task {n} ({'old' if n in old.manifest.tasks else 'new'} run only)" for n in names]


def _settings_differ(old: Run, new: Run) -> list[str]:
    a, b = old.manifest.settings, new.manifest.settings
    found = [
        f"{key} ({a.get(key)} and {b.get(key)})" for key in SAMPLING if a.get(key) != b.get(key)
    ]
    found += _arguments_differ(old, new)
    for key in LABELS:
        names = [x.get(key) and Path(str(x.get(key))).name for x in (a, b)]  # a file may have moved
        if names[0] != names[1]:
            found.append(f"{key} ({names[0]} and {names[1]})")
    return found


def _arguments_differ(old: Run, new: Run) -> list[str]:
    """Model arguments that are not the same; of two adapters, those that both have."""
    a, b = (run.manifest.settings.get("model_arguments") for run in (old, new))
    if a is None or b is None:
        sides = [side for side, own in (("old", a), ("new", b)) if own is None]
        return [] if len(sides) == 2 else [f"model arguments (not recorded in the {sides[0]} run)"]
    same_adapter = old.manifest.model.get("adapter") == new.manifest.model.get("adapter")
    names = sorted(a.keys() | b.keys() if same_adapter else a.keys() & b.keys())
    if old.manifest.model.get("dtype") == new.manifest.model.get("dtype"):
        names = [name for name in names if name != "dtype"]  # "auto" and what it came to
    return [
        f"the model argument {name} ({a.get(name)} and {b.get(name)})"
        for name in names
        if a.get(name) != b.get(name)
    ]


def _rejected(tasks: Sequence[str], old: Run, new: Run, tolerances: Tolerances) -> list[str]:
    """Gates whose signal the validity gate rejected: a broken hook must not pass as no change."""
    found = []
    for task in tasks:
        for gate in tolerances.margins:
            name = signal_of(gate)
            if not_offered_reason(gate, task, old, new) is not None:
                continue
            for side, run, other in (("old", old, new), ("new", new, old)):
                if name and (reason := _broken(name, task, run, other)):
                    found.append(f"{gate} on {task} is INVALID in the {side} run ({reason})")
    return found


def _broken(name: str, task: str, run: Run, other: Run) -> str | None:
    """Why a signal cannot be judged: rejected when it was recorded, or by its values here."""
    if reason := run.manifest.invalid.get(f"{task}:{name}"):
        return reason
    own, others = (
        np.array([r.signals.get(name) for r in x.of_task(task)], dtype=float) for x in (run, other)
    )
    missing, usual = np.isnan(own), np.isnan(others)
    if missing.mean() > usual.mean() + MAX_MISSING:
        return f"missing on {missing.sum()} of {own.size} samples, on {usual.sum()} of the other's"
    return None if missing.all() else check_signal(own, bounds=BOUNDS.get(name, ANY))


def _task_differs(task: str, old: Run, new: Run, pairs: Pairs) -> list[str]:
    a, b = old.manifest.tasks[task], new.manifest.tasks[task]
    found = [
        f"{task}'s {key} ({a.get(key)} and {b.get(key)})"
        for key in TASK_FIELDS
        if a.get(key) != b.get(key)
    ]
    labelled = [{r.identity: r.correct is not None for r in x.of_task(task)} for x in (old, new)]
    if labelled[0] != labelled[1]:
        counts = f"{len(labelled[0])} and {len(labelled[1])}, {len(pairs)} labelled in both"
        found.append(f"{task}'s samples ({counts})")
    for field in ("prompt", "target", "group", "kind"):
        unequal = [x.doc_id for x, y in pairs if getattr(x, field) != getattr(y, field)]
        if unequal:
            named = ", ".join(unequal[:MAX_NAMED]) + (", …" if len(unequal) > MAX_NAMED else "")
            found.append(f"{task}'s {field} of {len(unequal)} sample(s) ({named})")
    return found


def _prompts(task: str, old: Run, new: Run) -> str | None:
    """What to know about the prompts of two runs; None where they were the same."""
    a, b = (prompts_of(run.manifest, task) for run in (old, new))
    if a is None or b is None or a[0] != b[0]:
        if adapter_of(old.manifest) == adapter_of(new.manifest):
            return None  # one adapter, whose arguments are compared
        return f"{task}: whether both adapters asked in the same words cannot be told"
    if a[1] == b[1]:
        return None
    return (
        f"{task}: the runs were asked in other words, or not the same questions (prompts' hashes)"
    )


def _name(run: Run) -> str:
    made_by = f"{adapter_of(run.manifest)}, {engine_of(run.manifest)}"
    return f"{run.model} ({made_by}; {run.path})"
