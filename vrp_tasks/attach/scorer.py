"""``process_results`` of an attached task: the base's results unchanged, and ours beside them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loguru import logger

from metrics.errors import UndefinedMetricError
from metrics.record.columns import values_of
from metrics.record.records import SampleRecord
from vrp_tasks.attach.base_task import BaseTask
from vrp_tasks.attach.comparison import Comparison, warn_if_other
from vrp_tasks.attach.groups import group_of
from vrp_tasks.attach.identity import Identity, identity_of
from vrp_tasks.attach.judgement import Judgement, is_collecting
from vrp_tasks.attach.labels import (
    LabelFile,
    Labels,
    label_answer,
    score_by,
    sentence,
    summarise_labels,
)
from vrp_tasks.attach.results import METRICS, THRESHOLD, reliability_results
from vrp_tasks.attach.running import running_or_none
from vrp_tasks.attach.score import ScoreRule
from vrp_tasks.attach.settings import LABELS, AttachSettings, column_reader
from vrp_tasks.errors import SampleError, SetupError
from vrp_tasks.place import Place, current_place

RENAMED = "stock_"  # before a metric of the base that has the name of one of ours


class AttachedScorer:
    """Called by lmms-eval for each sample, from several threads.

    Parameters
    ----------
    task : str
        The attached task's name.
    settings : AttachSettings
        Of the task.
    base : BaseTask
        Scores answers.
    rule : ScoreRule
        Takes the score out of the base's results.
    """

    def __init__(
        self, task: str, settings: AttachSettings, base: BaseTask, rule: ScoreRule
    ) -> None:
        self.task, self.settings, self.base, self.rule = task, settings, base, rule
        self._kind = column_reader(settings.kind) if settings.kind else None
        self._target = column_reader(settings.target) if settings.target else None
        self.comparison: Comparison = {}
        self.label = settings.label
        self._corrected: LabelFile | None = None
        path = settings.labels
        self.use_labels(settings.label, None if path is None else LabelFile(path))

    def use_labels(self, label: str | None, corrected: LabelFile | None) -> None:
        """Say which label counts, and which labels are the corrected ones.

        Raises
        ------
        SetupError
            If the label is unknown, or lacks what it is made of.
        """
        if corrected is not None:
            self._corrected = corrected
        self.label = label or self.label
        if self.label not in LABELS:
            raise SetupError(f"label must be one of {', '.join(LABELS)}, got {self.label!r}.")
        if self.label == "repope" and self._corrected is None:
            raise SetupError(
                f"task {self.task}: label repope needs the file of corrected labels: "
                "metadata.vrp.labels, or the model argument labels=PATH."
            )

    def of_variant(self, name: str) -> AttachedScorer:
        """The same for a variant of the task; what it compares is shared with its aggregations."""
        own = copy.copy(self)
        own.task = name
        return own

    def __call__(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """The base's results under its own names, then `reliability_results`."""
        session, place = running_or_none(), current_place()
        if session is not None and place is not None and not is_collecting():
            known = session.results_known(place, results[0])
            if known is not None:
                return known
        task = session.tasks.get(self.task) if session else None
        own = self.base.results(doc, results[0], task)
        who = self.identity(doc, task, place)
        if who.complaint is not None:
            raise SampleError(who.complaint)
        labels: list[Labels] = []

        def score(answer: str) -> float | None:
            if self.settings.parser is None and self._corrected is None:
                return self.rule.read(doc, answer, own)
            labels.append(self._label(doc, answer, own, group=who.group, target=who.target))
            return score_by(labels[-1], self.label)

        return reliability_results(
            results,
            task=self.task,
            score=score,
            normalize=self.settings.normalizer,
            doc_id=str(doc.get("id", "")),
            group=who.group,
            kind=who.kind,
            target=who.target,
            threshold=self.settings.threshold,
            own={renamed(key): value for key, value in own.items()},
            labels=lambda: labels[-1] if labels else None,
        )

    def identity(self, doc: Mapping[str, Any], task: Any, place: Place | None) -> Identity:
        """Image, kind and reference of a document, whatever the settings' functions raise."""
        kind = self._kind
        return identity_of(
            group=lambda: group_of(self.settings.group, doc, task, place),
            kind=lambda: "all" if kind is None else kind(doc),
            target=lambda: self._reference(doc, task),
            pixels=lambda: group_of(None, doc, task, place),
        )

    def _label(
        self, doc: Mapping[str, Any], answer: str, own: Mapping[str, Any], **known: Any
    ) -> Labels:
        """The answer's labels: stock, parsed, corrected."""
        try:
            stock = self.rule.read(doc, answer, own)
        except UndefinedMetricError:
            if self.label == "stock":
                raise
            stock = None
        corrected = None
        if self._corrected is not None:
            corrected = self._corrected.reference(known["group"], str(doc.get("question", "")))
        return label_answer(
            answer,
            stock,
            known["target"],
            corrected=corrected,
            looked_up=self._corrected is not None,
        )

    def summarise(self, judged: Iterable[Judgement]) -> dict[str, Any] | None:
        """Counts of labels over a task's samples, said in one line; None without a parser."""
        found = [own.labels for own in judged if own.labels is not None]
        if not found:
            return None
        summary = summarise_labels(found, used=self.label, threshold=self.settings.threshold)
        logger.info(f"{self.task}: {sentence(summary)}")
        return summary

    def _reference(self, doc: Mapping[str, Any], task: Any) -> str | None:
        """The reference answer as text; of several, the most common."""
        if self._target is not None:
            value = self._target(doc)
        else:
            value = task.doc_to_target(doc) if task is not None else None
        if isinstance(value, list | tuple):
            value = Counter(map(str, value)).most_common(1)[0][0] if value else None
        return None if value is None else str(value)

    def __deepcopy__(self, memo: dict[int, Any]) -> AttachedScorer:
        return self  # lmms-eval copies a task's configuration each time it describes it

    def __repr__(self) -> str:
        return f"<scores of {self.settings.base} with reliability>"


def renamed(metric: str) -> str:
    """The name under which a metric of the base is printed."""
    ours = {entry for name in METRICS for entry in (name, f"{name}_stderr")}
    return RENAMED + metric if metric in ours else metric


def scorer_of(task: Any) -> AttachedScorer | None:
    """The scorer of an attached task; None for any other task."""
    scorer = getattr(getattr(task, "config", None), "process_results", None)
    return scorer if isinstance(scorer, AttachedScorer) else None


def describe_task(
    task: Any,
    records: Sequence[SampleRecord],
    *,
    labels: dict[str, Any] | None,
    subset: dict[str, int] | None,
) -> dict[str, Any]:
    """What the manifest says of a task.

    Parameters
    ----------
    task : lmms-eval task
        Attached or not.
    records : sequence of SampleRecord
        Its samples.
    labels : dict or None
        What `AttachedScorer.summarise` found.
    subset : dict or None
        Which part of the task was run.
    """
    config, scorer = task.config, scorer_of(task)
    if scorer is not None and not scorer.settings.score:
        warn_if_other(config.task, scorer.settings.base, scorer.comparison)
    return {
        "version": str(task.VERSION),
        "base": scorer.settings.base if scorer else None,
        "split": config.test_split or config.validation_split,
        "n_samples": len(records),
        "subset": subset,
        "threshold": scorer.settings.threshold if scorer else THRESHOLD,
        "stock_scores": scorer.comparison if scorer else {},
        "labels": labels,
        "kinds": sorted(set(values_of(records, "kind"))),
        "generation": dict(config.generation_kwargs or {}),
    }
