"""One evaluation that includes our tasks: its tasks, settings, cards and run folder."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from loguru import logger

from metrics.card.card import Card
from metrics.card.of_records import card_of_records
from metrics.errors import UndefinedMetricError
from metrics.record.channels import ProbeOpinion, Samples, StateChannel
from metrics.record.columns import of_task
from metrics.record.observation import Absent, Observation
from metrics.record.records import (
    GEOMETRY_NOT_RUN,
    GEOMETRY_PASSED,
    IMAGES_FILE,
    SampleRecord,
)
from metrics.second_pass.supervised import PROBE_STATE
from metrics.second_pass.task import second_pass
from metrics.second_pass.transfer import fitted_probe, transfer
from metrics.signals import BY_NAME, SIGNALS
from metrics.signals.recording import record_of
from vrp_tasks.access.base import Access, Seen
from vrp_tasks.access.identity import last_parts
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.judgement import Judgement, judging
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.attach.results import results_of, unlabelled
from vrp_tasks.attach.scorer import describe_task, scorer_of
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.companion import COMPANIONS
from vrp_tasks.errors import CaptureError, SetupError
from vrp_tasks.place import Place, at_place, place_of
from vrp_tasks.run.earlier import EarlierRuns
from vrp_tasks.run.fingerprint import task_fingerprint
from vrp_tasks.run.folder import RunFolder
from vrp_tasks.run.provenance import package_versions, peak_memory
from vrp_tasks.run.storage_plan import storage_plan
from vrp_tasks.run.thumbnails import Thumbnails
from vrp_tasks.seam.scored_answer import as_scored
from vrp_tasks.settings.probe_file import SEEN, save_probe


class Session:
    """Tasks, settings and run folder of one evaluation, on one rank.

    Attributes
    ----------
    tasks : dict of str to lmms-eval task
        Our tasks only.
    access : Access
        How the model is looked into.
    folder : RunFolder
        Where observations go.
    storage : StoragePlan
        Which hidden states go there.
    """

    def __init__(
        self,
        access: Access,
        tasks: dict[str, Any],
        plans: dict[str, TaskPlan],
        *,
        output: str | None,
        reasoning_tags: Any = None,
    ) -> None:
        self.access, self._tasks, self._plans = access, tasks, plans
        self._tags = reasoning_tags
        self._labels: dict[str, dict[str, Any]] = {}
        self._judged: dict[Place, Judgement] = {}
        self._cards: dict[str, Card] = {}
        self.seconds = 0.0
        self.n_generated = 0
        self._records: list[SampleRecord] = []
        self._invalid: dict[str, str] = {}
        self._probe: dict[str, dict[str, Any]] = {}
        self._fits: dict[str, dict[str, Any]] = {}
        self.sweeps: dict[str, dict[str, Any]] = {}
        self._images = Thumbnails()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if not output:
            self._temporary = tempfile.TemporaryDirectory(prefix="vrp-")
            output = self._temporary.name
        self.model = access.describe()
        self.settings = access.described_settings()
        self.geometry = access.geometry()
        if self.geometry is not None:
            logger.warning(f"Attention signals will be INVALID: {self.geometry}.")
        self.is_main = int(os.environ.get("RANK", 0)) == 0
        self.folder = self._opened(Path(output))
        self._not_offered = self._noted_before()
        self._responses = {
            Place(*place): text for part in self.folder.notes("responses") for place, text in part
        }
        self._known = {_place(record): record for record in self.folder.records()}
        self._earlier = EarlierRuns(self.folder.path, self.model, self.settings)
        try:
            self.storage = storage_plan(access, tasks, plans, self.folder.path)
        except SetupError:
            self.close()
            raise

    def _opened(self, output: Path) -> RunFolder:
        """The run folder, the same on every rank."""
        fingerprint = {
            "model": self.model,
            "settings": self.settings,
            "tasks": {name: task_fingerprint(task) for name, task in self._tasks.items()},
            "versions": package_versions(),
        }
        path = None
        if self.is_main:
            base = output / last_parts(self.model["pretrained"])
            stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
            folder = RunFolder.create(base, stamp=stamp, fingerprint=fingerprint)
            path = str(folder.path)
        path = _broadcast(path)
        if self.is_main:
            return folder
        return RunFolder(Path(path), rank=int(os.environ.get("RANK", 0)))

    @property
    def keeps(self) -> bool:
        """Whether the run folder outlives the run."""
        return self._temporary is None

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Our tasks by name."""
        return self._tasks

    def owns(self, task: str) -> bool:
        """Whether a request of this task is to be observed."""
        return task in self._tasks

    # -- labels ---------------------------------------------------------------------------------

    def judge(self, place: Place, doc: Any, answer: str) -> Judgement:
        """What the task's own scorer says of an answer, as lmms-eval would have it scored."""
        text = self._as_scored(place.task, doc, answer)
        with at_place(place), judging() as found:
            self._tasks[place.task].process_results(doc, [text])
        if not found:
            raise CaptureError(f"{place.task}: its scorer handed over no judgement of {place}.")
        return found[-1]

    def _as_scored(self, task: str, doc: Any, answer: str) -> str:
        """An answer as lmms-eval hands it to the task's scorer."""
        return as_scored(self._tasks[task], doc, answer, cli_tags=self._tags)

    def results_known(self, place: Place, answer: str) -> dict[str, Any] | None:
        """What was found for an answer when it was observed; None if it was not."""
        record, judged = self._known.get(place), self._judged.get(place)
        if record is None or judged is None or judged.answer != answer:
            return None
        return results_of(judged, record)

    def results_without(self, judged: Judgement) -> dict[str, Any]:
        """What there is for an answer that was not observed in this process.

        It may be of this run before it was stopped, or of an earlier run, if lmms-eval's response
        cache gave the answer.
        """
        record = self._known.get(judged.place)
        if record is None or record.answer != judged.answer:
            record = self._earlier.record_of(judged)
            task = judged.place.task
            for name, why in of_task(self._earlier.not_offered, task).items():
                if name not in record.signals:
                    self._not_offered.setdefault(f"{task}:{name}", why)
            self._known[judged.place] = record
            self.folder.add_unasked(record)
        self._judged[judged.place] = judged
        return results_of(judged, record)

    # -- observations ---------------------------------------------------------------------------

    def has_captured(self) -> bool:
        """Whether anything was seen beside any answer so far."""
        return any("capture" not in record.missing for record in self._known.values())

    def known(self, request: Any) -> SampleRecord | None:
        """The record of a request that this run has answered before it was stopped."""
        record = self._known.get(place_of(request))
        return record if record is not None and record.prompt == request.args[0] else None

    def response(self, record: SampleRecord) -> str:
        """The answer of a record as the adapter gave it, for lmms-eval to treat as it does any."""
        return self._responses.get(_place(record), record.answer)

    def observe(
        self, requests: Sequence[Any], docs: Sequence[Any], seen: Sequence[Seen]
    ) -> list[SampleRecord]:
        """Label what was seen of some requests of one task, and write it to the run folder."""
        task = requests[0].args[4]
        images = self._keep_images(task, docs)
        make, channels, offered_before = [], [], len(self._not_offered)
        for request, doc, one, image in zip(requests, docs, seen, images, strict=True):
            judged = self.judge(place_of(request), doc, one.answer)
            self._judged[judged.place] = judged
            observation = self._observation(request, doc, judged, one, image)
            make.append(partial(_record_at, observation))
            channels.append(observation.channels)
        if len(self._not_offered) > offered_before:
            self.folder.note("not-offered", self._not_offered)
        responses = [(place_of(r), own.answer) for r, own in zip(requests, seen, strict=True)]
        self.folder.note("responses", responses)
        records = self.folder.add(make, channels)
        self._known |= {_place(record): record for record in records}
        self.n_generated += len(records)
        return records

    def _observation(
        self, request: Any, doc: Any, judged: Judgement, seen: Seen, image: str | None
    ) -> Observation:
        task, split, doc_id = judged.place
        channels, absent = dict(seen.channels), dict(seen.absent)
        if ProbeOpinion.name in channels and self._probe_has_seen(task, doc):
            del channels[ProbeOpinion.name]
            absent[ProbeOpinion.name] = Absent(SEEN)
        normal = judged.normalize(judged.answer)
        if seen.samples:
            samples = list(seen.samples)
            same_form = [judged.normalize(self._as_scored(task, doc, s)) for s in samples]
            channels[Samples.name] = Samples.of(samples, same_form, normal)
        elif Samples.name not in absent:
            absent[Samples.name] = Absent("no answers were asked for (k=0)", "not offered")
        states = {n: c for n, c in channels.items() if isinstance(c, StateChannel)}
        kept, reasons = self.storage.trimmed(task, doc_id, states)
        if judged.reason is not None:
            absent["score"] = Absent(judged.reason)
        self._note_offer(task, absent | reasons)
        return Observation(
            task=task,
            split=split,
            doc_id=doc_id,
            group=judged.group,
            kind=judged.kind,
            prompt=request.args[0],
            answer=judged.answer,
            target=judged.target,
            score=judged.score,
            correct=judged.correct,
            normal_answer=normal,
            channels={n: c for n, c in channels.items() if n not in states} | kept,
            absent=absent | reasons,
            image=image,
        )

    def _probe_has_seen(self, task: str, doc: Any) -> bool:
        """Whether the given probe was fitted on an image of a document."""
        loaded = self.access.settings.probe
        return loaded is not None and loaded.has_seen(content_hashes(self._tasks[task], doc))

    def _noted_before(self) -> dict[str, str]:
        """What is not offered, by the notes of every rank, before a stop too."""
        return {key: why for part in self.folder.notes("not-offered") for key, why in part.items()}

    def _note_offer(self, task: str, absent: Mapping[str, Absent]) -> None:
        """Which signals this access, or these settings, do not offer."""
        for signal in BY_NAME.values():
            for channel in signal.needs:
                why = absent.get(channel.name)
                if why is not None and why.state == "not offered":
                    self._not_offered.setdefault(f"{task}:{signal.name}", why.reason)

    def _keep_images(self, task: str, docs: Sequence[Any]) -> list[str | None]:
        """Store a small copy of each document's image, once; hashes, None where none is kept."""
        kept = [self._images.take(self._tasks[task], doc) for doc in docs]
        self.folder.add_rows(IMAGES_FILE, [row for _, rows in kept for row in rows])
        return [digest for digest, _ in kept]

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the block as this rank's generation time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began

    # -- cards ----------------------------------------------------------------------------------

    def card(self, task: str) -> Card:
        """Every signal of a task, scored; once all of its samples are there (rank 0)."""
        if task not in self._cards:
            self._cards[task] = self._score(task)
        return self._cards[task]

    def _score(self, task: str) -> Card:
        self._not_offered |= self._noted_before()
        docs = self._plans[task].docs
        answered = {
            record.doc_id: record
            for record in self.folder.records()
            if record.task == task and record.doc_id in docs
        }
        records = sorted(answered.values(), key=lambda r: _natural(r.doc_id))
        records = self._without_frozen(task, records)
        self._summarise_labels(task)
        if (gap := unlabelled(records)) is not None:
            logger.warning(f"{task}: {gap}")
        left_out = of_task(self._not_offered, task)
        found = second_pass(
            self.folder.store,
            records,
            task=task,
            not_offered=left_out,
            geometry=self.geometry,
            with_cluster_grid=self.access.settings.options.cluster_grid,
        )
        self._probe[task] = found.probe
        self._fits |= {f"{task}:{name}": fit for name, fit in found.fits.items()}
        self._invalid |= {f"{task}:{name}": reason for name, reason in found.invalid.items()}
        self._records += found.records
        return card_of_records(
            found.records, invalid=found.invalid, not_offered=left_out, fits=found.fits
        )

    def _without_frozen(self, task: str, records: list[SampleRecord]) -> list[SampleRecord]:
        """Records without consistency where the model does not sample at all."""
        reason = self.access.frozen([record.samples for record in records])
        if reason is None:
            return records
        logger.warning(f"{task}: no consistency signals: {reason}.")
        names = {signal.name for signal in SIGNALS if Samples in signal.needs}
        self._not_offered |= {f"{task}:{name}": reason for name in names}
        return [record.without_signals(names) for record in records]

    def _summarise_labels(self, task: str) -> None:
        scorer = scorer_of(self._tasks[task])
        judged = [own for place, own in self._judged.items() if place.task == task]
        if scorer is not None and (labels := scorer.summarise(judged)) is not None:
            self._labels[task] = labels

    # -- the end --------------------------------------------------------------------------------

    def _save_probes(self) -> None:
        """One fitted probe per task that has labels enough; what transfers between tasks."""
        if self._temporary is not None:
            return
        for task in self._own_images():
            try:
                probe, used = fitted_probe(self.folder.store, self._of_task(task), task=task)
            except UndefinedMetricError as undefined:
                logger.info(f"{task}: no probe is saved: {undefined}.")
                continue
            docs = self._tasks[task].eval_docs
            images = [content_hashes(self._tasks[task], docs[int(r.doc_id)]) for r in used]
            save_probe(
                self.folder.path,
                probe,
                task=task,
                position=PROBE_STATE,
                model=self.model,
                images=chain.from_iterable(images),
            )

    def _own_images(self) -> list[str]:
        """Tasks that are no variant (robustness, grounding) of another one of the run."""
        settings = {name: task.config.metadata["vrp"] for name, task in self._tasks.items()}
        plain = [n for n, s in settings.items() if not set(given_keys(s)) & set(COMPANIONS)]
        return plain or list(self._tasks)

    def _of_task(self, name: str) -> list[SampleRecord]:
        return [record for record in self._records if record.task == name]

    def _n_seen(self, task: str) -> int:
        """Samples that a given probe leaves out, since it was fitted on their images."""
        return sum(r.missing.get("loaded_probe") == SEEN for r in self._of_task(task))

    def finish(self) -> None:
        """Write records and manifest (rank 0)."""
        if not self.is_main:
            return
        for task in self._tasks:
            self.card(task)
        self._save_probes()
        path = self.folder.finish(self._records, self._manifest())
        if self.keeps:
            logger.info(f"Reliability records: {path}")
            logger.info(f"Next: vrp-leaderboard build {path.parent.parent}")

    def _manifest(self) -> dict[str, Any]:
        own = {task: self._of_task(task) for task in self._own_images()}
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "model": {**self.model, "geometry_self_test": self._geometry_said()},
            "tasks": {
                name: describe_task(
                    task,
                    self._of_task(name),
                    labels=self._labels.get(name),
                    subset=self._plans[name].subset,
                )
                | {"n_seen_by_loaded_probe": self._n_seen(name)}
                for name, task in self._tasks.items()
            },
            "settings": self.settings,
            "versions": package_versions(),
            "command": list(sys.argv),
            "invalid": self._invalid,
            "not_offered": self._not_offered,
            "probe": self._probe,
            "fits": self._fits,
            "transfer": transfer(self.folder.store, own),
            "sweeps": self.sweeps,
            "cost": {
                "seconds": round(self.seconds, 3),
                "n_samples": self.n_generated,
                "peak_memory_bytes": peak_memory(),
            },
        }

    def _geometry_said(self) -> str:
        if not self.access.sees_maps:
            return f"{GEOMETRY_NOT_RUN}: this access sees no maps"
        return self.geometry or GEOMETRY_PASSED

    def close(self) -> None:
        """Release the folder; without an output path it goes away."""
        self.folder.release()
        if self._temporary is not None:
            self._temporary.cleanup()


def _record_at(observation: Observation, shard: str | None, row: int | None) -> SampleRecord:
    return record_of(observation, shard=shard, row=row)


def _place(record: SampleRecord) -> Place:
    return Place(record.task, record.split, record.doc_id)


def _natural(doc_id: str) -> tuple[int, str]:
    return (int(doc_id), "") if doc_id.isdigit() else (sys.maxsize, doc_id)


def _broadcast(value: str | None) -> str:
    """Rank 0's value on every rank."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        value = box[0]
    return str(value)
