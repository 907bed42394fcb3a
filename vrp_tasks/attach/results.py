"""What a task's ``process_results`` returns: the benchmark's score beside the signals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from metrics.errors import UndefinedMetricError
from metrics.record.columns import values_of
from metrics.record.failures import LABEL
from metrics.record.records import SampleRecord
from metrics.signals import REPORTED
from vrp_tasks.attach.judgement import Judgement, hand_over
from vrp_tasks.attach.running import running_or_none
from vrp_tasks.errors import ScorerError
from vrp_tasks.place import Place, current_place

THRESHOLD = 0.5  # a soft score of at least this counts as correct (method §1)
HEADLINES = (*REPORTED, "kind_only", "answer_only")
METRICS = ("accuracy", *(f"auroc_{name}" for name in HEADLINES))
NO_RUN = "the answer was scored outside a run of lmms-eval's evaluator"


class Item(dict[str, Any]):
    """What lmms-eval logs for one sample under one metric; remembers its task for aggregation.

    A dict rather than a number: lmms-eval would print the standard error of the mean *signal*
    beside an AUROC.
    """

    task: str


def reliability_results(
    results: Sequence[str],
    *,
    task: str,
    score: Callable[[str], float | None],
    normalize: Callable[[str], str],
    doc_id: str,
    group: str,
    kind: str,
    target: str | None,
    threshold: float = THRESHOLD,
    own: Mapping[str, Any] | None = None,
    labels: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Score an answer and find the signals beside it.

    Parameters
    ----------
    results : sequence of str
        What lmms-eval passes to ``process_results``: the answer.
    task : str
        Task name.
    score : callable
        The benchmark's scorer: answer -> score in [0, 1], or None without a reference. May raise
        UndefinedMetricError with the reason why this answer has no score.
    normalize : callable
        The benchmark's answer normalisation, under which sampled answers are compared.
    doc_id, group, kind, target
        Identity of the sample where lmms-eval does not tell it, its image, question kind, and
        reference answer.
    threshold : float
        A score of at least this counts as correct.
    own : mapping, optional
        The base task's results, returned beside ours.
    labels : callable, optional
        Gives what ways of labelling made of the answer, once it is scored.

    Returns
    -------
    dict
        ``own``; ``accuracy`` holds the whole record, ``auroc_<signal>`` the signal's value.
    """
    answer = results[0]
    reason = failure = None
    try:
        value = score(answer)
    except UndefinedMetricError as undefined:
        value, reason = None, str(undefined)
        failure = reason if isinstance(undefined, ScorerError) else None
    place = current_place() or Place(task, "", doc_id)
    judged = Judgement(
        place=place,
        answer=answer,
        score=None if value is None else float(value),
        reason=reason,
        correct=None if value is None else int(value >= threshold),
        group=group,
        kind=kind,
        target=target,
        normalize=normalize,
        own=dict(own or {}),
        labels=labels(),
        failure=failure,
    )
    running = running_or_none()
    if hand_over(judged) or running is None:
        return results_of(judged, record_without(judged, NO_RUN))
    return running.results_without(judged)


def results_of(judged: Judgement, record: SampleRecord) -> dict[str, Any]:
    """What lmms-eval gets for one sample."""
    whole = Item(asdict(record))
    if record.score is None:  # lmms-eval averages every `score` it finds
        del whole["score"]
    whole.task = record.task
    ours = {"accuracy": whole, "accuracy_stderr": _item(record.task, record.correct)}
    for name in HEADLINES:
        item = _item(record.task, record.signals.get(name))
        ours[f"auroc_{name}"] = item
        ours[f"auroc_{name}_stderr"] = item
    return {**judged.own, **ours}


def record_without(judged: Judgement, why: str) -> SampleRecord:
    """The record of an answer beside which nothing was seen."""
    missing = {"capture": why} | ({} if judged.reason is None else {"score": judged.reason})
    missing |= {} if judged.failure is None else {LABEL: judged.failure}
    return SampleRecord(
        **judged.place._asdict(),
        group=judged.group,
        kind=judged.kind,
        prompt="",
        answer=judged.answer,
        target=judged.target,
        score=judged.score,
        correct=judged.correct,
        samples=[],
        normal_answer=judged.normalize(judged.answer),
        normal_samples=[],
        signals={},
        layers={},
        missing=missing,
        grid=None,
        n_answer_tokens=None,
        shard=None,
        row=None,
    )


def unlabelled(records: Sequence[SampleRecord]) -> str | None:
    """How many answers have no label, and the reason most of them give; None if all have one."""
    pairs = zip(values_of(records, "correct"), values_of(records, "missing"), strict=True)
    reasons = [own.get("score", "no reason given") for label, own in pairs if label is None]
    if not reasons:
        return None
    reason, number = Counter(reasons).most_common(1)[0]
    why = reason if number == len(reasons) else f"{reason} ({number} of them)"
    return f"{len(reasons)} of {len(records)} answers have no label: {why}"


def _item(task: str, value: float | None) -> Item:
    item = Item(value=value)
    item.task = task
    return item
