"""Answers that a run has: of before a stop, of another run, of this process. They fit, or go."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from loguru import logger

from metrics.record.failures import failure_in
from metrics.record.records import SampleRecord
from vrp_tasks.place import ByPlace, Place, place_of, place_of_record
from vrp_tasks.run.parts import Entry, Parts
from vrp_tasks.run.request_identity import RequestIdentity, identity_of

# part of an identity -> what people call it
_WORDS = {
    "image": "image",
    "prompt": "prompt",
    "target": "reference answer",
    "generation": "generation settings",
    "states": "place among those whose hidden states are kept (hidden_max)",
}


class KnownAnswers:
    """The answered documents of one evaluation, on one rank.

    Parameters
    ----------
    lm : lmms-eval model
        Has the documents.
    tasks : mapping of str to lmms-eval task
        Ours.
    keeps_states : callable
        Task and document -> whether its hidden states are to be stored.
    parts : Parts
        Where what there is stands; it is read when it is asked for.
    """

    def __init__(
        self,
        lm: Any,
        tasks: Mapping[str, Any],
        keeps_states: Callable[[str, str], bool],
        parts: Parts,
    ) -> None:
        self._lm, self._tasks, self._keeps = lm, tasks, keeps_states
        self._parts = parts
        parts.look()
        self._fits = ByPlace[bool]()
        self._requests: dict[str, dict[str, Any]] = {}  # task -> document -> its request
        self._finding = threading.Lock()

    def records(self) -> Iterable[SampleRecord]:
        """Every record, fitting or not."""
        return (entry.record for entry in self._parts.entries())

    def record_at(self, place: Place) -> SampleRecord | None:
        """The record of a document, fitting or not."""
        entry = self._entry(place)
        return None if entry is None else entry.record

    def entries(self, records: Iterable[SampleRecord]) -> list[Entry]:
        """The answers of some records."""
        found = [self._parts.entry(record.task, record.doc_id) for record in records]
        return [entry for entry in found if entry is not None]

    def identity(self, request: Any) -> RequestIdentity:
        """What a request asks."""
        task, split, doc_id = place_of(request)
        read = partial(self._doc, task, split, doc_id)
        return identity_of(
            request,
            read,
            lambda: self._tasks[task].doc_to_target(read()),
            keeps_states=self._keeps(task, doc_id),
        )

    def add(self, entries: Iterable[Entry]) -> None:
        """Documents that have just been answered."""
        for entry in entries:
            self._fits[place_of_record(entry.record)] = True

    def record(self, request: Any) -> SampleRecord:
        """The record of a request that is answered; KeyError if it is not."""
        entry = self._entry(place_of(request))
        if entry is None:
            raise KeyError(place_of(request))
        return entry.record

    def of_requests(self, task: str, requests: Sequence[Any]) -> dict[int, str]:
        """Index of a request -> its answer, where what was asked then is what is asked now.

        The answer is as the adapter gave it, for lmms-eval to treat as it does any.
        Says in one line how many are there, and how many others are asked again, and why; so are
        those that failed.
        """
        found: dict[int, str] = {}
        reasons: Counter[str] = Counter()
        n_again = 0
        for index, request in enumerate(requests):
            place = place_of(request)
            entry = self._entry(place)
            if entry is None or failure_in(entry.record.missing) is not None:
                continue
            changed = self._changed(entry, request)
            self._fits[place] = not changed
            if not changed:
                found[index] = entry.response
            n_again += bool(changed)
            reasons.update(changed)
        if found:
            logger.info(f"{task}: resuming, {len(found)} of {len(requests)} samples are there.")
        if n_again:
            why = ", ".join(f"{_WORDS[name]} ({number})" for name, number in reasons.items())
            logger.warning(
                f"{task}: {n_again} samples that are there are asked again: now with another {why}."
            )
        return found

    def fitting(self, place: Place, answer: str) -> SampleRecord | None:
        """The record of an answer, where it is one and to what is asked now; from any thread."""
        entry = self._entry(place)
        if entry is None or entry.record.answer != answer:
            return None
        fits = self._fits.get(place)
        if fits is None:  # lmms-eval's response cache gave the answer
            request = self.request(place)
            fits = request is not None and not self._changed(entry, request)
            self._fits[place] = fits
        return entry.record if fits else None

    def request(self, place: Place) -> Any:
        """The request of a document, as lmms-eval has built it; None if it has not."""
        with self._finding:
            if place.task not in self._requests:
                self._requests[place.task] = {
                    str(own.doc_id): own for own in self._tasks[place.task].instances
                }
        return self._requests[place.task].get(place.doc_id)

    def _entry(self, place: Place) -> Entry | None:
        entry = self._parts.entry(place.task, place.doc_id)
        return entry if entry is not None and entry.record.split == place.split else None

    def _changed(self, entry: Entry, request: Any) -> list[str]:
        """Names of what is another now; an answer of which it is not known is asked again."""
        asked = entry.exchange.asked
        return ["prompt"] if asked is None else asked.changed(self.identity(request))

    def _doc(self, task: str, split: str, doc_id: str) -> Any:
        return self._lm.task_dict[task][split][int(doc_id)]
