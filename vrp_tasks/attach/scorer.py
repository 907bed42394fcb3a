"""``process_results`` of an attached task: the base's results unchanged, and ours beside them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vrp_tasks.attach.base_task import BaseTask
from vrp_tasks.attach.groups import group_of
from vrp_tasks.attach.score import ScoreRule
from vrp_tasks.attach.settings import AttachSettings, column_reader
from vrp_tasks.scoring import METRICS, reliability_results
from vrp_tasks.session_state import session_or_none

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

    def __call__(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """The base's results under its own names, then `reliability_results`."""
        session = session_or_none()
        task = session.tasks.get(self.task) if session else None
        answer = results[0]
        own = self.base.results(doc, answer, task)
        place = json.loads(results[1]) if len(results) > 1 else None
        ours = reliability_results(
            list(results),
            task=self.task,
            score=lambda given: self.rule.read(doc, given, own),
            normalize=self.settings.normalizer,
            doc_id=str(doc.get("id", "")),
            group=group_of(self.settings.group, doc, task, place),
            kind="all" if self._kind is None else str(self._kind(doc)),
            target=self._reference(doc, task),
            threshold=self.settings.threshold,
        )
        return {renamed(key): value for key, value in own.items()} | ours

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
