"""What a task's ``process_results`` returns: the benchmark's score beside the captured signals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from metrics.errors import UndefinedMetricError
from metrics.records import SampleRecord
from metrics.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_share,
    n_distinct,
    pairwise_agreement,
)
from vrp_tasks.session_state import active_session

if TYPE_CHECKING:
    from vrp_tasks.attach.labels import Labels

THRESHOLD = 0.5  # a soft score of at least this counts as correct (method §1)
HEADLINES = (
    "spatial_entropy",
    "cluster_count",
    "token_confidence",
    "logit_entropy",
    "self_consistency",
    "answer_agreement",
    "probe",
    "kind_only",
    "answer_only",
)
METRICS = ("accuracy", *(f"auroc_{name}" for name in HEADLINES))

_CONSISTENCY: dict[str, Callable[[list[str], str], float]] = {
    "self_consistency": lambda samples, _: majority_share(samples),
    "answer_agreement": answer_agreement,
    "pairwise_agreement": lambda samples, _: pairwise_agreement(samples),
    "distinct_answers": lambda samples, _: -n_distinct(samples),
    "semantic_entropy": lambda samples, _: -discrete_semantic_entropy(samples),
}


class Item(dict):
    """What lmms-eval logs for one sample under one metric; remembers its task for aggregation.

    A dict rather than a number: lmms-eval would print the standard error of the mean *signal*
    beside an AUROC.
    """

    task: str
    labels: Labels | None = None


_CACHED = "the answer came from the response cache of an earlier run"


def reliability_results(
    results: list[str],
    *,
    task: str,
    score: Callable[[str], float | None],
    normalize: Callable[[str], str],
    doc_id: str,
    group: str,
    kind: str,
    target: str | None,
    threshold: float = THRESHOLD,
) -> dict[str, Item]:
    """Score an answer and pair it with its signals.

    Parameters
    ----------
    results : list of str
        What lmms-eval passes to ``process_results``: the answer and, from a probed model, the
        captured payload as JSON.
    task : str
        Task name, used when the answer carries no payload.
    score : callable
        The benchmark's scorer: answer -> score in [0, 1], or None without a reference. May raise
        UndefinedMetricError with the reason why this answer has no score.
    normalize : callable
        The benchmark's answer normalisation, under which sampled answers are compared.
    doc_id, group, kind, target
        Identity of the sample, its image, question kind, and reference answer.
    threshold : float
        A score of at least this counts as correct.

    Returns
    -------
    dict of str to Item
        ``accuracy`` holds the whole record, ``auroc_<signal>`` the signal's value.
    """
    answer = results[0]
    payload = json.loads(results[1]) if len(results) > 1 else _uninstrumented()
    signals, missing = dict(payload["signals"]), dict(payload["missing"])
    try:
        value = score(answer)
    except UndefinedMetricError as undefined:
        value, missing["score"] = None, str(undefined)
    samples = payload["samples"]
    for name, compute in _CONSISTENCY.items():
        try:
            if not samples:
                raise UndefinedMetricError(missing.get("samples", "no answers were sampled"))
            signals[name] = float(compute([normalize(s) for s in samples], normalize(answer)))
        except UndefinedMetricError as undefined:
            signals[name], missing[name] = None, str(undefined)
    record = Item(
        task=payload.get("task", task),
        split=payload.get("split", ""),
        doc_id=str(payload.get("doc_id", doc_id)),
        group=group,
        kind=kind,
        prompt=payload.get("prompt", ""),
        answer=answer,
        target=target,
        correct=None if value is None else int(value >= threshold),
        samples=samples,
        signals=signals,
        layers=payload["layers"],
        missing=missing,
        grid=payload["grid"],
        n_answer_tokens=payload["n_answer_tokens"],
        shard=payload["shard"],
        row=payload["row"],
        image=payload.get("image"),
    )
    if "run" in payload and payload["run"] != active_session().folder.path.name:
        _leave_behind(record)
    if value is not None:  # lmms-eval averages every `score` it finds
        record["score"] = float(value)
    record.task = record["task"]
    out = {"accuracy": record, "accuracy_stderr": _item(record.task, record["correct"])}
    for name in HEADLINES:
        item = _item(record.task, signals.get(name))
        out[f"auroc_{name}"] = item
        out[f"auroc_{name}_stderr"] = item
    return out


def _leave_behind(record: Item) -> None:
    """Drop what an answer out of the cache of an earlier run cannot bring along."""
    if record["shard"]:
        record |= {"shard": None, "row": None}
        record["missing"]["hidden"] = _CACHED
    if "loaded_probe" in record["signals"]:  # of whatever probe that run was given
        record["signals"]["loaded_probe"] = None
        record["missing"]["loaded_probe"] = _CACHED


def unlabelled(records: Sequence[SampleRecord]) -> str | None:
    """How many answers have no label, and the reason most of them give; None if all have one."""
    reasons = [r.missing.get("score", "no reason given") for r in records if r.correct is None]
    if not reasons:
        return None
    reason, number = Counter(reasons).most_common(1)[0]
    why = reason if number == len(reasons) else f"{reason} ({number} of them)"
    return f"{len(reasons)} of {len(records)} answers have no label: {why}"


def _item(task: str, value: float | None) -> Item:
    item = Item(value=value)
    item.task = task
    return item


def _uninstrumented() -> dict[str, Any]:
    reason = "the answer came without signals (response cache of another model, or not probed)"
    return {
        "signals": {},
        "layers": {},
        "missing": {"samples": reason, "capture": reason},
        "samples": [],
        "grid": None,
        "n_answer_tokens": None,
        "shard": None,
        "row": None,
    }
