"""Tasks whose answers are all there: their cards, their probes, what the manifest says of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from loguru import logger

from metrics.card.card import Card
from metrics.card.of_records import card_of_records
from metrics.core.steps import Progress
from metrics.errors import UndefinedMetricError
from metrics.record.channels import Samples
from metrics.record.failures import MARKS, failure_in, lacking
from metrics.record.held import HeldRecords
from metrics.record.joined import Joined
from metrics.second_pass.stored_states import PROBE_STATE
from metrics.second_pass.task import second_pass
from metrics.second_pass.transfer import fitted_probe, transfer
from metrics.signals import SIGNALS
from vrp_tasks.access.base import Access
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.attach.results import unlabelled
from vrp_tasks.attach.scorer import describe_task, scorer_of
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.companion import COMPANIONS
from vrp_tasks.run.failures import said
from vrp_tasks.run.folder import RunFolder
from vrp_tasks.run.offers import NotOffered
from vrp_tasks.settings.probe_file import SEEN, save_probe

_SECONDS_BETWEEN_LINES = 5.0


class ScoredTasks:
    """Cards and records of the tasks of one evaluation, on rank 0."""

    def __init__(
        self,
        access: Access,
        tasks: Mapping[str, Any],
        plans: Mapping[str, TaskPlan],
        *,
        folder: RunFolder,
        not_offered: NotOffered,
        geometry: str | None,
    ) -> None:
        self.access, self._tasks, self._plans = access, tasks, plans
        self._folder, self._not_offered, self._geometry = folder, not_offered, geometry
        self._records: dict[str, HeldRecords] = {}
        self._cards: dict[str, Card] = {}
        self._labels: dict[str, dict[str, Any]] = {}
        self._invalid: dict[str, str] = {}
        self._probe: dict[str, dict[str, Any]] = {}
        self._fits: dict[str, dict[str, Any]] = {}
        self._withdrawn: set[str] = set()

    def card(self, task: str, judged: Iterable[Judgement]) -> Card:
        """Every signal of a task, scored; once all of its samples are there.

        Parameters
        ----------
        task : str
            Its name.
        judged : iterable of Judgement
            What its scorer said of each answer.
        """
        if task not in self._cards:
            self._cards[task] = self._score(task, judged)
        return self._cards[task]

    def _score(self, task: str, judged: Iterable[Judgement]) -> Card:
        self._not_offered.recall()
        docs = self._plans[task].docs
        records = HeldRecords(
            entry.record
            for entry in self._folder.entries(task=task, by=_natural)
            if entry.record.doc_id in docs
        )
        records = self._without_frozen(task, records)
        scorer = scorer_of(self._tasks[task])
        if scorer is not None and (labels := scorer.summarise(judged)) is not None:
            self._labels[task] = labels
        if (failed := said(records)) is not None:
            logger.warning(f"{task}: {failed}. Scores are over the others.")
        whole = records.where(failure_in(own) is None for own in records.values("missing"))
        if (gap := unlabelled(whole)) is not None:
            logger.warning(f"{task}: {gap}")
        left_out = self._not_offered.of_task(task)
        found = second_pass(
            self._folder.store,
            records,
            task=task,
            not_offered=left_out,
            geometry=self._geometry,
            with_cluster_grid=self.access.settings.options.cluster_grid,
            progress=steps_said(
                task,
                "fits on labels",
                f"{len(records)} samples are there; now what is fitted on their labels.",
            ),
        )
        self._not_offered.add_known(task, found.left_out)
        left_out = left_out | found.left_out
        self._probe[task] = found.probe
        self._fits |= {f"{task}:{name}": fit for name, fit in found.fits.items()}
        self._invalid |= {f"{task}:{name}": reason for name, reason in found.invalid.items()}
        self._records[task] = found.records
        return card_of_records(
            found.records,
            invalid=found.invalid,
            not_offered=left_out,
            fits=found.fits,
            progress=steps_said(task, "signals scored"),
        )

    def _without_frozen(self, task: str, records: HeldRecords) -> HeldRecords:
        """Records without consistency where the model does not sample at all."""
        reason = self.access.frozen(records.each("samples"))
        if reason is None:
            return records
        logger.warning(f"{task}: no consistency signals: {reason}.")
        self._withdrawn.add(task)
        names = {signal.name for signal in SIGNALS if Samples in signal.needs}
        self._not_offered.withdraw(task, names, reason)
        return records.without_signals(names)

    def save_probes(self, model: dict[str, Any]) -> None:
        """One fitted probe per task that has labels enough."""
        for task in self._own_images():
            try:
                probe, used = fitted_probe(self._folder.store, self._of_task(task), task=task)
            except UndefinedMetricError as undefined:
                logger.info(f"{task}: no probe is saved: {undefined}.")
                continue
            docs = self._tasks[task].eval_docs
            images = [content_hashes(self._tasks[task], docs[int(r.doc_id)]) for r in used]
            save_probe(
                self._folder.path,
                probe,
                task=task,
                position=PROBE_STATE,
                model=model,
                images=chain.from_iterable(images),
            )

    def described(self, prompts: Mapping[str, dict[str, str]]) -> dict[str, Any]:
        """The fields of the manifest that tasks and their signals fill.

        ``prompts`` says of each task which it was asked with.
        """
        own = {task: self._of_task(task) for task in self._own_images()}
        return {
            "tasks": {
                name: describe_task(
                    task,
                    self._of_task(name),
                    labels=self._labels.get(name),
                    subset=self._plans[name].subset,
                )
                | self._failures(name)
                | {"n_seen_by_loaded_probe": self._n_seen(name), "prompts": prompts.get(name)}
                for name, task in self._tasks.items()
            },
            "invalid": self._invalid,
            "not_offered": self._not_offered.reasons,
            "probe": self._probe,
            "fits": self._fits,
            "transfer": transfer(self._folder.store, own),
        }

    def identity(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The manifest's ``identity``, without tasks whose records lack what was withdrawn."""
        tasks = {name: own["tasks"][name] for name in own["tasks"].keys() - self._withdrawn}
        return {**own, "tasks": tasks}

    def _own_images(self) -> list[str]:
        """Tasks that are no variant (robustness, grounding) of another one of the run."""
        settings = {name: task.config.metadata["vrp"] for name, task in self._tasks.items()}
        plain = [n for n, s in settings.items() if not set(given_keys(s)) & set(COMPANIONS)]
        return plain or list(self._tasks)

    @property
    def records(self) -> Joined:
        """Records of the tasks that were scored, with what is fitted on labels."""
        return Joined(list(self._records.values()))

    def _of_task(self, name: str) -> HeldRecords:
        return self._records.get(name, HeldRecords())

    def _failures(self, name: str) -> dict[str, Any]:
        """What failed, and what was answered from less than the whole; by reason."""
        records = self._of_task(name)
        return {
            "n_failed": sum(failure_in(own) is not None for own in records.values("missing")),
            "failures": [own.to_json() for own in lacking(records)],
            "marked": [own.to_json() for own in lacking(records, MARKS)],
        }

    def _n_seen(self, task: str) -> int:
        """Samples that a given probe leaves out, since it was fitted on their images."""
        missing = self._of_task(task).values("missing")
        return sum(own.get("loaded_probe") == SEEN for own in missing)


def steps_said(
    task: str, what: str, first: str | None = None, *, now: Callable[[], float] = time.monotonic
) -> Progress:
    """Say ``first`` at once, and at times how far ``what`` is and how long it will take."""
    began = said = now()

    def progress(done: int, of: int) -> None:
        nonlocal said
        if done == 0:
            if first is not None:
                logger.info(f"{task}: {first}")
        elif now() - said >= _SECONDS_BETWEEN_LINES:
            said = now()
            left = (said - began) / done * (of - done)
            logger.info(f"{task}: {what}, {done} of {of}, about {left:.0f} s left.")

    return progress


def _natural(doc_id: str) -> tuple[int, str]:
    return (int(doc_id), "") if doc_id.isdigit() else (sys.maxsize, doc_id)
