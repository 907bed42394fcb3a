"""Columns looked up and one answer scored before any is generated: a wrong key costs no run.

Functions that the settings name are called too: they must bear an empty answer, as models give it.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from loguru import logger

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.beside import as_written
from vrp_tasks.attach.results import Item
from vrp_tasks.attach.scorer import AttachedScorer, scorer_of
from vrp_tasks.attach.settings import READERS, AttachSettings, function_at
from vrp_tasks.errors import SetupError
from vrp_tasks.faults import reason_of
from vrp_tasks.seam.process_results import Score, without_attempts

_DOCUMENTS = 5
_JUDGES = ("llm_judge", "openai", "requests.post")  # a trial would ask them


def try_scoring(name: str, task: Any) -> None:
    """See that the score of an answer can be read out of what the base's scorer returns.

    Parameters
    ----------
    name : str
        The task's.
    task : lmms-eval task
        With its data set. No score is tried where a judge would be asked.

    Raises
    ------
    SetupError
        If no score can be read for any of the first documents, a column is not there, or a
        function of the settings fails.
    """
    scorer = scorer_of(task)
    if scorer is None:
        _try_own(name, task)
        return
    check_columns(name, task.features, scorer.settings)
    docs = _first_documents(task)
    for key in READERS:
        path = getattr(scorer.settings, key)
        if path and ":" in path:
            _try_function(name, key, path, [(doc,) for doc in docs])
    if scorer.rule.labelled and not asks_a_judge(scorer):
        _try_reading(name, task, scorer, docs)


def _first_documents(task: Any) -> list[Any]:
    with_media = task.config.process_results_use_image
    docs = task.eval_docs if with_media else task.eval_docs_no_media
    return list(islice((doc for doc in docs if doc is not None), _DOCUMENTS))


def _try_function(name: str, key: str, path: str, calls: Sequence[tuple[Any, ...]]) -> None:
    """Call a function of the settings on the first documents; if it fails on all, that is one line.

    One document on which it fails costs itself alone.
    """
    failure: Exception | None = None
    for arguments in calls:
        try:
            function_at(path)(*arguments)
        except UndefinedMetricError:
            return
        except Exception as error:  # noqa: BLE001 - of the user's code
            failure = failure or error
        else:
            return
    if failure is not None:
        raise SetupError(
            f"task {name}: metadata.vrp.{key}, {as_written(path)}, fails on the first documents: "
            f"{reason_of(failure)}. A document has {', '.join(calls[0][0])}."
        ) from failure


def _try_own(name: str, task: Any) -> None:
    """See that a task with a scorer of its own returns what we read."""
    score = inspect.unwrap(type(task).process_results)  # without lmms-eval's five attempts
    for doc in _first_documents(task)[:1]:
        try:
            found = score(task, doc, [""])
        except Exception as error:  # noqa: BLE001 - it may not be made for an empty answer
            logger.debug(f"{name}: the trial of its scorer failed: {error!r}")
            return
        if not isinstance(found, dict) or not isinstance(found.get("accuracy"), Item):
            raise SetupError(
                f"task {name}: metadata.vrp names no base task, and its process_results does not "
                "return reliability_results. Add base: TASK under metadata.vrp (docs/tasks.md)."
            )


def _try_reading(name: str, task: Any, scorer: AttachedScorer, docs: list[Any]) -> None:
    reasons: list[str] = []
    calls: list[tuple[Any, ...]] = []
    for doc in docs:
        try:
            own = scorer.base.results(doc, "", task)
        except Exception as error:  # noqa: BLE001 - a scorer may not be made for an empty answer
            logger.debug(f"{name}: the trial of its scorer failed: {error!r}")
            return
        if scorer.rule.function is not None:
            calls.append((doc, "", dict(own)))
            continue
        try:
            scorer.rule.read(doc, "", own)
        except UndefinedMetricError as undefined:
            reasons.append(str(undefined))
        else:
            return
    _try_function(name, "score", scorer.settings.score[0] if calls else "", calls)
    if reasons:
        raise SetupError(
            f"task {name}: no score can be read: {reasons[0]}. Set score and field in metadata.vrp "
            "(docs/tasks.md), or score: none for signals only."
        )


def check_columns(name: str, columns: Collection[str], settings: AttachSettings) -> None:
    """Raise SetupError if a setting names a column that is not there."""
    for key in READERS:
        column = getattr(settings, key)
        if column and ":" not in column and column not in columns:
            raise SetupError(
                f"task {name}: metadata.vrp.{key} names the column {column!r}; the data set has "
                f"{', '.join(columns)}."
            )


def scoring_of(task: Any) -> Score:
    """A task's ``process_results``: five attempts where a judge is asked, as in stock; else one."""
    scorer = scorer_of(task)
    if scorer is not None and asks_a_judge(scorer):
        return partial(type(task).process_results, task)
    return without_attempts(task)


def asks_a_judge(scorer: AttachedScorer) -> bool:
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
