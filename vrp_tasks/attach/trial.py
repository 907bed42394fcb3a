"""Columns looked up and one answer scored before any is generated: a wrong key costs no run."""

from __future__ import annotations

import inspect
from itertools import islice
from pathlib import Path
from typing import Any

from loguru import logger

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.scorer import AttachedScorer, scorer_of
from vrp_tasks.attach.settings import AttachSettings
from vrp_tasks.errors import SetupError

_DOCUMENTS = 5
_JUDGES = ("llm_judge", "openai", "requests.post")  # a trial would ask them


def try_scoring(name: str, task: Any) -> None:
    """See that the score of an answer can be read out of what the base's scorer returns.

    Parameters
    ----------
    name : str
        The task's.
    task : lmms-eval task
        With its data set. Nothing is tried on a task that is not attached, or asks a judge.

    Raises
    ------
    SetupError
        If no score can be read for any of the first documents, or a column is not there.
    """
    scorer = scorer_of(task)
    if scorer is not None:
        _check_columns(name, task, scorer.settings)
    if scorer is None or not scorer.rule.keys or _asks_a_judge(scorer):
        return
    docs = task.eval_docs if task.config.process_results_use_image else task.eval_docs_no_media
    reasons: list[str] = []
    for doc in islice((doc for doc in docs if doc is not None), _DOCUMENTS):
        try:
            own = scorer.base.results(doc, "", task)
        except Exception as error:  # noqa: BLE001 - a scorer may not be made for an empty answer
            logger.debug(f"{name}: the trial of its scorer failed: {error!r}")
            return
        try:
            scorer.rule.read(doc, "", own)
        except UndefinedMetricError as undefined:
            reasons.append(str(undefined))
        else:
            return
    if reasons:
        raise SetupError(
            f"task {name}: no score can be read: {reasons[0]}. Set score and field in metadata.vrp "
            "(docs/tasks.md), or score: none for signals only."
        )


def _check_columns(name: str, task: Any, settings: AttachSettings) -> None:
    for key in ("group", "kind", "target"):
        column = getattr(settings, key)
        if column and ":" not in column and column not in task.features:
            raise SetupError(
                f"task {name}: metadata.vrp.{key} names the column {column!r}; the data set has "
                f"{', '.join(task.features)}."
            )


def _asks_a_judge(scorer: AttachedScorer) -> bool:
    """Whether the base's scorer, or ours, sends answers somewhere."""
    if scorer.settings.check is not None:
        return True
    function = scorer.base.process_results
    if function is None:
        return False
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
        text = Path(file).read_text(encoding="utf-8") if file else ""
    except (TypeError, OSError):
        return False
    return any(word in text for word in _JUDGES)
