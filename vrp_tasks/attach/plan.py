"""Which samples of each task are run, and of which the hidden states are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger

from vrp_tasks.attach.labels import LabelFile
from vrp_tasks.attach.scorer import scorer_of
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.attach.subset import choose_rows, identities, subset_of
from vrp_tasks.attach.trial import try_scoring
from vrp_tasks.errors import SetupError
from vrp_tasks.seam.restricted_task import restrict
from vrp_tasks.settings.options import RunOptions

_UNLIMITED = (None, -1)


@dataclass(frozen=True)
class TaskPlan:
    """What is run of one task.

    Attributes
    ----------
    docs : frozenset of str
        Row numbers of the documents that are run, over all ranks.
    subset : dict or None
        ``n``, ``seed`` and ``of``, for the manifest.
    kept : frozenset of str or None
        Documents whose hidden states are kept; None for all.
    rows : sequence of int
        The documents that are run.
    """

    docs: frozenset[str]
    subset: dict[str, int] | None = None
    kept: frozenset[str] | None = None
    rows: Sequence[int] = ()

    @property
    def n_samples(self) -> int:
        """How many documents there are, over all ranks."""
        return len(self.docs)


def plan_tasks(
    options: RunOptions, tasks: Mapping[str, Any], *, limit: float | None, offset: int
) -> dict[str, TaskPlan]:
    """Choose samples and labels of every task, and restrict the tasks to them.

    The scorer of each is tried once before.

    Parameters
    ----------
    options : RunOptions
        Of the run.
    tasks : mapping of str to lmms-eval task
        Ours.
    limit, offset
        As ``lmms_eval.evaluator.evaluate`` was given them.

    Raises
    ------
    SetupError
        If a subset meets ``--limit``, a label is asked for that no task has, or a task's score
        cannot be read.
    """
    use_labels(tasks, options)
    for name, task in tasks.items():
        try_scoring(name, task)
    return {
        name: _plan(name, task, options, limit=limit, offset=offset) for name, task in tasks.items()
    }


def _plan(
    name: str, task: Any, options: RunOptions, *, limit: float | None, offset: int
) -> TaskPlan:
    total = len(task.eval_docs)
    wanted = wanted_subset(name, task.config.metadata["vrp"], options)
    rows: Sequence[int] = _limited(total, limit, offset)
    known = None
    subset = None
    if wanted is not None:
        check_unlimited(name, limit, offset)
        known = identities(task)
        chosen = choose_rows(*known, wanted[0], seed=wanted[1])
        rows, subset = chosen, {"n": len(chosen), "seed": wanted[1], "of": total}
    if not rows:
        raise SetupError(
            f"task {name}: --limit and --offset leave none of its {total} documents. Give a "
            "smaller --offset."
        )
    kept = None
    if options.hidden_max is not None and options.hidden_max < len(rows):
        groups, kinds = known or identities(task)
        part = choose_rows(
            [groups[row] for row in rows],
            [kinds[row] for row in rows],
            options.hidden_max,
            seed=options.subset_seed,
        )
        kept = frozenset(str(rows[i]) for i in part)
    if wanted is not None:
        restrict(task, list(rows))
    return TaskPlan(frozenset(map(str, rows)), subset, kept)


def wanted_subset(name: str, settings: Any, options: RunOptions) -> tuple[int, int] | None:
    """(how many, seed): the run's setting, else the task's."""
    if options.subset is not None:
        return options.subset, options.subset_seed
    own = subset_of(name, given_keys(settings).get("subset"))
    return own and (own[0], options.subset_seed or own[1])


def check_unlimited(name: str, limit: float | None, offset: int) -> None:
    """Raise SetupError if a subset would meet ``--limit`` or ``--offset``."""
    if limit not in _UNLIMITED or offset:
        raise SetupError(
            f"task {name}: --limit and --offset take the first rows, subset a fair part; "
            "give one of the two."
        )


def check_limits(limit: float | None, offset: int) -> None:
    """Raise SetupError where ``--limit`` or ``--offset`` can take no document of any task."""
    if limit == 0:
        raise SetupError("--limit 0 leaves no sample. Leave it out for all, or give a number.")
    if limit not in _UNLIMITED and limit is not None and limit < 0:
        raise SetupError(f"--limit {limit:g}: give a number of samples, or -1 for all.")
    if offset < 0:
        raise SetupError(f"--offset {offset}: give a number of samples to skip, from 0.")


def _limited(total: int, limit: float | None, offset: int) -> range:
    """The rows that lmms-eval takes."""
    if limit in _UNLIMITED or limit is None:
        return range(offset, total)
    n = math.ceil(total * limit) if 0 < limit < 1 else int(limit)
    return range(offset, min(total, offset + n))


def use_labels(tasks: Mapping[str, Any], options: RunOptions) -> None:
    """Give the run's label settings to the tasks with a yes/no parser.

    A file of corrected labels goes to those tasks only of which it has a question; the others keep
    their own label.

    Raises
    ------
    SetupError
        If no task has a parser, or the file has no question of any.
    """
    if options.label is None and options.labels is None:
        return
    scorers = {name: scorer_of(task) for name, task in tasks.items()}
    parsed = {n: scorer for n, scorer in scorers.items() if scorer and scorer.settings.parser}
    if not parsed:
        raise SetupError(
            "model arguments label and labels are for tasks with a yes/no parser (metadata.vrp."
            f"parser); there is none among {', '.join(tasks)}."
        )
    covered, file = set(parsed), None
    if options.labels is not None:
        file = LabelFile(options.labels)
        covered = {name for name in parsed if _has_question_of(file, tasks[name])}
        if not covered:
            raise SetupError(
                f"labels={options.labels}: no question of {', '.join(parsed)} is in it. Images are "
                "looked up by metadata.vrp.group, questions by the column question."
            )
    for name, scorer in parsed.items():
        if name in covered:
            scorer.use_labels(options.label, file)
        else:
            logger.info(f"{name}: labels={options.labels} has none of its questions.")
            scorer.use_labels(None if options.label == "repope" else options.label, None)


def _has_question_of(file: LabelFile, task: Any) -> bool:
    docs = task.eval_docs_no_media
    if "question" not in docs.column_names:
        return False
    groups, _ = identities(task)
    pairs = zip(groups, docs["question"], strict=True)
    return any(file.reference(group, str(question)) is not None for group, question in pairs)
