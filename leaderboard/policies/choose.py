"""A threshold with a promise, chosen on one task of a run."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.errors import PolicyError
from leaderboard.policies.policy import ChosenOn, OfSignal, OfTask, Policy, Promised, Scalar
from leaderboard.results.cost_front import is_sampled
from leaderboard.runs.read import Run
from metrics.abstention.promise import promised_threshold
from metrics.record.columns import labelled_of, of_task, values_of
from metrics.record.records import SampleRecord
from metrics.scores.validity import check_signal
from metrics.signals import BY_NAME, Signal

SAMPLING = ("k", "temperature", "top_p", "top_k")


@dataclass(frozen=True)
class Scored:
    """Labelled answers of a task with one signal, NaN where it is missing."""

    correct: np.ndarray
    score: np.ndarray
    groups: list[str]
    n_unlabelled: int

    @property
    def images(self) -> str:
        """Hash of the images, so that a run on the same ones is known."""
        return hashlib.sha256("\n".join(sorted(set(self.groups))).encode()).hexdigest()


def choose_policy(run: Run, task: str, name: str, *, risk: float, confidence: float) -> Policy:
    """Choose the lowest threshold that can be promised.

    Parameters
    ----------
    run : Run
        Calibration run: images like those on which the policy will be used.
    task : str
        One of its tasks.
    name : str
        A declared signal that needs no true answer where it is used.
    risk, confidence : float in (0, 1)
        As in `promised_threshold`.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        If the signal cannot carry a promise on this run.
    UndefinedMetricError
        If no threshold can be promised; says why.
    """
    _check_signal(name)
    scored = scored_answers(run, task, name)
    found = promised_threshold(
        scored.correct, scored.score, scored.groups, risk=risk, confidence=confidence
    )
    at = found.found
    return Policy(
        task_of(run, task),
        signal_of(run, task, name),
        Promised(at.threshold, risk, confidence),
        ChosenOn(
            run=run.path.name,
            model=run.model,
            images=scored.images,
            n=at.n,
            n_groups=at.n_groups,
            largest_image=found.largest,
            n_shown=at.n_shown,
            n_wrong=at.n_wrong,
            coverage=at.n_shown / at.n,
            bound=at.high,
            n_thresholds=found.n_thresholds,
            n_tested=found.n_tested,
        ),
    )


def the_task(run: Run, asked: str | None) -> str:
    """The task that is meant: the one asked for, or the only one; PolicyError otherwise."""
    tasks = list(run.manifest.tasks)
    if asked is None and len(tasks) == 1:
        return tasks[0]
    names = ", ".join(tasks)
    if asked is None:
        raise PolicyError(f"the run has {len(tasks)} tasks, name one with --task: {names}.")
    if asked not in tasks:
        raise PolicyError(f"the run has no task {asked!r}; it has {names}.")
    return asked


def scored_answers(run: Run, task: str, name: str) -> Scored:
    """Labels, scores and images of a task; PolicyError where the signal is not there or broken."""
    key, manifest = f"{task}:{name}", run.manifest
    if key in manifest.not_offered:
        raise PolicyError(f"{name} is not offered on {task} ({manifest.not_offered[key]}).")
    reason = of_task(manifest.invalid, task).get(name)
    records = run.of_task(task)
    labelled = labelled_of(records)
    if not labelled:
        raise PolicyError(f"no answer of {task} has a label.")
    there = name in labelled.signal_names()
    score = labelled.signal(name) if there else np.full(len(labelled), np.nan)
    if reason is None and np.isfinite(score).any():
        reason = check_signal(score, bounds=BY_NAME[name].bounds)
    if reason is not None:
        raise PolicyError(f"{name} is INVALID on {task} ({reason}).")
    if not np.isfinite(score).any():
        raise PolicyError(f"no answer of {task} has {name}{_why_missing(labelled, name)}.")
    return Scored(
        np.array(labelled.values("correct"), dtype=float),
        score,
        labelled.values("group"),
        len(records) - len(labelled),
    )


def task_of(run: Run, task: str) -> OfTask:
    """What makes an answer of this task right."""
    entry, settings = run.manifest.tasks[task], run.manifest.settings
    threshold = entry.get("threshold")
    labels = settings.get("labels")
    return OfTask(
        name=task,
        version=str(entry.get("version")),
        threshold=None if threshold is None else float(threshold),
        label=_text(settings.get("label")),
        labels=None if labels is None else Path(str(labels)).name,  # a file may have moved
    )


def signal_of(run: Run, task: str, name: str) -> OfSignal:
    """What made the values of this signal."""
    settings = run.manifest.settings
    sampled = is_sampled(BY_NAME[name])
    sampling: dict[str, Scalar] = {key: _scalar(settings.get(key)) for key in SAMPLING}
    return OfSignal(name, _release_line(run, task, name), sampling if sampled else {})


def _release_line(run: Run, task: str, name: str) -> str:
    """Major and minor version of what computed the signal; values may change with them."""
    rescored, versions = run.manifest.rescored, run.manifest.versions
    key = f"{task}:{name}"
    if rescored and (key in rescored.get("recomputed", {}) or key in rescored.get("added", {})):
        versions = rescored.get("versions", {})
    return ".".join(str(versions.get("vrp-tasks", "not recorded")).split(".")[:2])


def _check_signal(name: str) -> None:
    signal: Signal | None = BY_NAME.get(name)
    if signal is None:
        near = difflib.get_close_matches(name, BY_NAME, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}."
        raise PolicyError(f"{name!r} is no declared signal; {hint}")
    if signal.access != "deployable":
        why = "needs the true answer" if signal.access == "oracle" else "is a control"
        raise PolicyError(f"{name} {why}: answers cannot be shown by it.")
    if signal.fitted:
        raise PolicyError(
            f"{name} is fitted on the labels of its own run, so that a threshold would mean "
            "something else in every run. Load the probe of an earlier run into this one "
            "(probe=<its folder>) and take loaded_probe."
        )


def _why_missing(records: Sequence[SampleRecord], name: str) -> str:
    missing = values_of(records, "missing")
    reason = next((own[name] for own in missing if name in own), None)
    return f" ({reason})" if reason else ""


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _scalar(value: object) -> Scalar:
    return value if value is None or isinstance(value, (int, float)) else str(value)
