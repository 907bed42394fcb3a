"""One evaluation that includes our tasks: its tasks, settings, cards and run folder."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger

from metrics.card.card import Card
from metrics.record.failures import failure_in
from metrics.record.records import (
    GEOMETRY_NOT_RUN,
    GEOMETRY_PASSED,
    IMAGES_FILE,
    SampleRecord,
)
from vrp_tasks.access.base import Access, Seen
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.identity import failed_judgement
from vrp_tasks.attach.judgement import Judgement, judging
from vrp_tasks.attach.judgements import Judgements
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.attach.results import record_without, results_of
from vrp_tasks.attach.scorer import scorer_of
from vrp_tasks.attach.trial import scoring_of
from vrp_tasks.errors import SetupError
from vrp_tasks.faults import ends_run, reason_of
from vrp_tasks.place import Place, at_place, current_place, place_of, place_of_record
from vrp_tasks.run.fingerprint import digests, run_fingerprint
from vrp_tasks.run.known import KnownAnswers
from vrp_tasks.run.looking import Looked
from vrp_tasks.run.observing import sample_of
from vrp_tasks.run.offers import NotOffered
from vrp_tasks.run.opening import open_folder
from vrp_tasks.run.parts import Entry, Exchange
from vrp_tasks.run.provenance import (
    package_versions,
    peak_memory,
    prompts_of,
    without_secrets,
)
from vrp_tasks.run.scored_tasks import ScoredTasks
from vrp_tasks.run.storage_plan import storage_plan
from vrp_tasks.run.taken_over import is_that_of
from vrp_tasks.run.thumbnails import Thumbnails
from vrp_tasks.seam.process_results import Score, served_process_results, tolerated_targets
from vrp_tasks.seam.scored_answer import as_scored

UNSEEN = "this answer was given without being observed"


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
        self._judged = Judgements()
        self.seconds = 0.0
        self.n_generated = 0
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
        fingerprint = run_fingerprint(access, tasks, reasoning_tags=reasoning_tags)
        self._identity = digests(fingerprint)
        self.folder = open_folder(
            Path(output),
            self.model["pretrained"],
            fingerprint=fingerprint,
            wanted={name: plan.docs for name, plan in plans.items()},
        )
        self._not_offered = NotOffered(self.folder)
        self._scored = ScoredTasks(
            access,
            tasks,
            plans,
            folder=self.folder,
            not_offered=self._not_offered,
            geometry=self.geometry,
        )
        try:
            self.storage = storage_plan(access, tasks, plans, self.folder.path)
        except SetupError:
            self.close()
            raise
        self.known = KnownAnswers(access.lm, tasks, self.storage.keeps, self.folder)

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

    def answered(self, task: str) -> list[Entry]:
        """The documents of a task that are asked now, as every rank answered them."""
        docs = self._plans[task].docs
        return [
            entry
            for entry in self.folder.entries()
            if entry.record.task == task and entry.record.doc_id in docs
        ]

    # -- labels ---------------------------------------------------------------------------------

    def judge(self, place: Place, doc: Any, answer: str) -> Judgement:
        """What the task's own scorer says of an answer, as lmms-eval would have it scored.

        Where the scorer fails the judgement says so, and has no score.
        """
        task, text = self._tasks[place.task], answer
        try:
            text = self._as_scored(place.task, doc, answer)
            with at_place(place), judging() as found:
                scoring_of(task)(doc, [text])
            for own in found:
                own.normalize(text)
        except Exception as error:
            if ends_run(error):
                raise
            reason = f"the scorer failed ({reason_of(error)})"
            return failed_judgement(task, place, doc, text, reason)
        if not found:
            raise SetupError(f"{place.task}: its scorer handed over no judgement of {place}.")
        return found[-1]

    @property
    def has_failed(self) -> bool:
        """Whether any document has failed so far."""
        return any(failure_in(record.missing) is not None for record in self.known.records())

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Inside the block lmms-eval scores documents of our tasks through `_results`."""
        with ExitStack() as stack:
            for task in self._tasks.values():
                around = partial(_through, partial(self._results, task))
                stack.enter_context(served_process_results(task, around))
                stack.enter_context(tolerated_targets(task))
            yield

    def _results(self, task: Any, stock: Score, doc: Any, results: Sequence[Any]) -> dict[str, Any]:
        """What lmms-eval gets for a document; one that failed is no answer, and no score of 0."""
        place = current_place()
        judged = None if place is None else self._judged.get(place)
        if place is not None and judged is not None and judged.correct is None:
            record = self.known.record_at(place)
            if record is not None and failure_in(record.missing) is not None:
                return results_of(judged, record)
        try:
            return stock(doc, results)
        except Exception as error:
            if place is None or ends_run(error):
                raise
            reason = f"the scorer failed ({reason_of(error)})"
            return self.results_without(failed_judgement(task, place, doc, str(results[0]), reason))

    def _as_scored(self, task: str, doc: Any, answer: str) -> str:
        """An answer as lmms-eval hands it to the task's scorer."""
        return as_scored(self._tasks[task], doc, answer, cli_tags=self._tags)

    def results_known(self, place: Place, answer: str) -> dict[str, Any] | None:
        """What was found for an answer when it was observed; None if it was not."""
        record, judged = self.known.fitting(place, answer), self._judged.get(place)
        if record is None or judged is None or judged.answer != answer:
            return None
        return results_of(judged, record)

    def results_without(self, judged: Judgement) -> dict[str, Any]:
        """What there is for an answer that was not observed in this process.

        It may be of this run before it was stopped, or of a run that was taken over.
        """
        record = self.known.fitting(judged.place, judged.answer)
        if record is None:
            record = record_without(judged, UNSEEN)
            entry = Entry(record, Exchange())
            self.known.add([entry])
            self.folder.add_unasked(entry)
        self._judged.add(judged)
        return results_of(judged, record)

    # -- observations ---------------------------------------------------------------------------

    def observe(
        self,
        requests: Sequence[Any],
        looked: Sequence[Looked],
        seen: Sequence[Seen],
        *,
        beside: Callable[[list[SampleRecord]], None] = lambda records: None,
    ) -> list[SampleRecord]:
        """Label what was seen of some requests of one task, and write it to the run folder.

        ``beside`` writes what must be there for each record that is.
        """
        task = requests[0].args[4]
        images = self._keep_images(looked)
        make, channels, exchanges, never = [], [], [], self.access.never()
        for request, own, one, image in zip(requests, looked, seen, images, strict=True):
            judged = self._judgement_of(place_of(request), own.doc, one)
            self._judged.add(judged)
            observation, record = sample_of(
                judged,
                one,
                never,
                prompt=request.args[0],
                image=image,
                as_scored=partial(self._as_scored, task, own.doc),
                storage=self.storage,
                probe_has_seen=partial(self._probe_has_seen, task, own.doc),
                marks=own.marks,
            )
            self._not_offered.add(task, observation.absent)
            make.append(partial(_placed, record))
            channels.append(observation.channels)
            response = None if one.answer == judged.answer else one.answer
            exchanges.append(Exchange(self.known.identity(request), response, one.prompt))
        self._not_offered.note()
        records = self.folder.add(make, channels, exchanges, beside=beside)
        self.known.add(map(Entry, records, exchanges))
        self.n_generated += len(records)
        return records

    def _judgement_of(self, place: Place, doc: Any, seen: Seen) -> Judgement:
        """What the scorer says of an answer; of one that never came, nothing."""
        if seen.failure is None:
            return self.judge(place, doc, seen.answer)
        task = self._tasks[place.task]
        if scorer_of(task) is None:  # its own scorer alone knows kind and image
            judged = self.judge(place, doc, seen.answer)
        else:
            judged = failed_judgement(task, place, doc, seen.answer, seen.failure)
        nothing: dict[str, Any] = dict.fromkeys(("score", "correct", "failure", "labels"))
        return replace(judged, reason=seen.failure, own={}, **nothing)

    def _probe_has_seen(self, task: str, doc: Any) -> bool:
        """Whether the given probe was fitted on an image of a document."""
        loaded = self.access.settings.probe
        return loaded is not None and loaded.has_seen(content_hashes(self._tasks[task], doc))

    def _keep_images(self, looked: Sequence[Looked]) -> list[str | None]:
        """Store a small copy of each document's image, once; hashes, None where none is kept."""
        kept = [self._images.take(own.images) for own in looked]
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

    # -- the end --------------------------------------------------------------------------------

    def card(self, task: str) -> Card:
        """Every signal of a task, scored; once all of its samples are there (rank 0)."""
        return self._scored.card(task, self._judged.of_task(task))

    def finish(self) -> None:
        """Write records and manifest (rank 0)."""
        if not self.is_main:
            return
        for task in self._tasks:
            self.card(task)
        if (same := is_that_of(self.folder, self._scored.records)) is not None:
            self.folder.discard()
            logger.info(
                f"This run is complete already, and nothing was asked again: {same}. Another "
                "--output_path runs it anew."
            )
            logger.info(f"Next: vrp-leaderboard build {same.parent.parent}")
            return
        if self.keeps:
            self._scored.save_probes(self.model)
        path = self.folder.finish(self._scored.records, self._manifest())
        if self.keeps:
            logger.info(f"Reliability records: {path}")
            logger.info(f"Next: vrp-leaderboard build {path.parent.parent}")

    def _manifest(self) -> dict[str, Any]:
        sent = {place_of_record(own.record): own.exchange.sent for own in self.folder.entries()}
        prompts = prompts_of(sent, self._scored.records)
        found = {"geometry_self_test": self._geometry_said(), "checks": self.access.checks()}
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "model": {**self.model, **self.access.findings(), **found},
            **self._scored.described(prompts),
            "settings": self.settings,
            "versions": package_versions(),
            "command": without_secrets(sys.argv),
            "sweeps": self.sweeps,
            "identity": self._scored.identity(self._identity),
            "cost": {
                "seconds": round(self.seconds, 3),
                "n_samples": self.n_generated,
                "peak_memory_bytes": peak_memory(),
                **self.access.cost(),
                **self._extra_seconds(),
            },
        }

    def _extra_seconds(self) -> dict[str, Any]:
        """What detectors with passes of their own took, if any was asked for."""
        found = {name: round(own, 3) for name, own in self.access.extra_seconds.items()}
        return {"extra_seconds": found} if found else {}

    def _geometry_said(self) -> str:
        if not self.access.sees_maps:
            return f"{GEOMETRY_NOT_RUN}: this access sees no maps"
        return self.geometry or GEOMETRY_PASSED

    def close(self) -> None:
        """Release the folder; without an output path it goes away."""
        self.folder.release()
        if self._temporary is not None:
            self._temporary.cleanup()


def _placed(record: SampleRecord, shard: str | None, row: int | None) -> SampleRecord:
    return replace(record, shard=shard, row=row)


def _through(own: Callable[..., dict[str, Any]], stock: Score) -> Score:
    return partial(own, stock)
