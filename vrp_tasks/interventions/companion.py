"""The ``robustness`` key of a task's metadata: a sweep of interventions after the clean pass."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from loguru import logger
from tqdm import tqdm

from metrics.record.channels import ImageMaps, there
from metrics.record.failures import ANSWER, SIGNALS
from metrics.record.records import INTERVENTIONS_FILE, SampleRecord
from vrp_tasks.access.base import Seen
from vrp_tasks.access.isolation import isolated
from vrp_tasks.access.serving import GenerateHandler
from vrp_tasks.capture.observer import ObserverFactory
from vrp_tasks.companion import Companion
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Found
from vrp_tasks.faults import is_out_of_memory, let_go
from vrp_tasks.interventions.branches import Answer, branched_generate
from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.kinds import (
    INTERVENTIONS,
    Batch,
    Prompt,
    groups_of,
    rests_on_ranking,
)
from vrp_tasks.interventions.ranking import Ranking, rank_units, seeded
from vrp_tasks.interventions.rows import SweepRows
from vrp_tasks.interventions.settings import SweepSettings
from vrp_tasks.interventions.sweep import sweep_answers
from vrp_tasks.interventions.trial import branching_complaint
from vrp_tasks.interventions.unit_states import (
    EXTRA,
    Place,
    UnitStateObserver,
    UnitStates,
    UnitStateStore,
)
from vrp_tasks.interventions.variants import Variant

_SLICE = 16  # samples between two writes to the run folder
_RANKING, _FOUND = "ranking", "sweep"  # notes of the run folder


class Robustness(Companion):
    """Ranks units on the clean pass, then measures every variant on held-out images.

    With several ranks each waits for the clean pass of all, ranks on the samples of all, and
    measures its own.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.model, self.family = self.access.model, self.access.family
        asked = SweepSettings.of(self.options)
        self.settings = asked.offered(self.model, self.family)
        self.refused = asked.refused(self.model, self.family)
        self.settings.check(self.model, self.family)
        layers = self.settings.unit_layers(self.model, self.family)
        self.groups = groups_of(self.settings, layers)
        own = [INTERVENTIONS[name] for name in INTERVENTIONS if name in self.settings.interventions]
        sites = dict.fromkeys(each.site for each in own if each.site is not None)
        self.places: list[Place] = [(layer, site) for site in sites for layer in layers]
        self.max_rows = self.settings.max_rows
        self.lost: dict[str, str] = {}  # document -> why it could not be swept
        self.store = UnitStateStore(self.session.folder, self.task)

    @classmethod
    def check(cls, access: Any, task: str, keys: Mapping[str, Any]) -> None:
        """The settings, then layers and units against the model."""
        asked = SweepSettings.of(keys["robustness"])
        for name, why in asked.refused(access.model, access.family).items():
            logger.warning(f"task {task}: {name} is left out: {why}.")
        asked.offered(access.model, access.family).check(access.model, access.family)
        if not isinstance(access.family, Found):
            return
        complaint = branching_complaint(access.model, access.family, access.processing())
        if complaint is not None:
            raise SetupError(
                f"task {task}: interventions (robustness) are not offered for this "
                f"{access.model.config.model_type} checkpoint: {complaint}. Leave the task out."
            )

    def observers(self) -> Sequence[ObserverFactory]:
        """Unit states are taken from the clean pass."""
        return [partial(UnitStateObserver, places=self.places)] if self.places else []

    def after_slice(
        self, requests: list[Any], seen: list[Seen], records: list[SampleRecord]
    ) -> None:
        """Keep the unit states until the ranking."""
        if self.places:
            self.store.add([r.doc_id for r in records], [item.extra[EXTRA] for item in seen])

    def after_task(self, requests: list[Any], records: list[SampleRecord]) -> None:
        """Rank, then sweep what is not in the run folder yet."""
        began = time.perf_counter()
        whole = [i for i, record in enumerate(records) if not _failed(record)]
        requests, records = [requests[i] for i in whole], [records[i] for i in whole]
        self._barrier()
        entries = self._entries(records)
        samples = [entry.record for entry in entries]
        chosen = self._chosen(samples)
        ranked_on = self._ranked_on(entries)
        self._count_rows(ranked_on, chosen)
        measured = [(r, s) for r, s in self._own(requests, samples) if s.doc_id in chosen]
        found = self._found_before(ranked_on)
        if found is None or self.access.world_size > 1 or self._lacks_rows(measured):
            self.session.folder.note(_RANKING, {"task": self.task, "ranked_on": ranked_on})
            found = self._measure(requests, samples, measured) | {
                "n_samples": len(chosen),
                "ranked_on": ranked_on,
                "seconds": round(time.perf_counter() - began, 3),
            }
            self.session.folder.note(_FOUND, {"task": self.task, "found": found})
        self.session.sweeps.setdefault(self.task, {}).update(found)

    def _measure(
        self,
        requests: list[Any],
        samples: list[SampleRecord],
        measured: list[tuple[Any, SampleRecord]],
    ) -> dict[str, Any]:
        """Rank and sweep; what the manifest says of it."""
        self._complete_states(requests)
        self._barrier()
        if self.places:  # but for samples whose states could not be had
            there = self.store.docs()
            samples = [sample for sample in samples if sample.doc_id in there]
            measured = [(r, sample) for r, sample in measured if sample.doc_id in there]
        ranking = rank_units(self.task, samples, self.settings, self.places, self.store.read)
        for what, reason in ranking.refused.items():
            logger.warning(f"{self.task}: no ablation of {what}: {reason}.")
        unmapped, mismatched = self._sweep(measured, ranking)
        for reason, n in Counter(self.lost.values()).items():
            ranking.refused[f"the sweep of {n} samples"] = reason
        ranking.refused.update(self.refused)
        if unmapped:
            ranking.refused["masks of some samples"] = f"{unmapped} samples have no attention map"
        return {
            "settings": asdict(self.settings),
            "words": {n: INTERVENTIONS[n].words.to_json() for n in self.settings.interventions},
            "layers": list(self.settings.unit_layers(self.model, self.family)),
            "refused": ranking.refused,
            "top_units": ranking.top_units(),
            "n_decoded_differently": mismatched,
        }

    def _ranked_on(self, entries: list[Any]) -> str:
        """Hash of the answers that units are ranked on: of others the ranking is another."""
        told = [
            (record.doc_id, record.group, record.correct, exchange.asked and asdict(exchange.asked))
            for record, exchange in entries
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _found_before(self, ranked_on: str) -> dict[str, Any] | None:
        """What a sweep on the same answers found before a stop, or in another run."""
        for _, note in reversed(self.session.folder.notes(_FOUND)):
            if note["task"] == self.task and note["found"].get("ranked_on") == ranked_on:
                return dict(note["found"])
        return None

    def _count_rows(self, ranked_on: str, chosen: set[str]) -> None:
        """Count rows of the chosen samples only, and of no other ranking; say so if there are."""
        rankings = {
            opening: note["ranked_on"]
            for opening, note in self.session.folder.notes(_RANKING)
            if note["task"] == self.task
        }
        before = len(self._rows())
        asked = set(self.settings.interventions)

        def rule(opening: int, row: Mapping[str, Any]) -> bool:
            if row["task"] != self.task or row["intervention"] not in asked:
                return True
            own = rankings.get(opening, ranked_on) == ranked_on
            return row["doc_id"] in chosen and (own or not rests_on_ranking(row))

        self.session.folder.rule(INTERVENTIONS_FILE, rule)
        if gone := before - len(self._rows()):
            logger.warning(
                f"{self.task}: {gone} rows of the sweep are of other samples, or of a ranking on "
                "other samples, than are asked for now; what is asked for is measured anew."
            )

    def _rows(self) -> list[dict[str, Any]]:
        rows = self.session.folder.rows(INTERVENTIONS_FILE)
        return [row for row in rows if row["task"] == self.task]

    def _done(self) -> dict[str, set[Variant]]:
        """Document -> the variants that are there."""
        done: dict[str, set[Variant]] = {}
        for row in self._rows():
            own = Variant(**{name: row[name] for name in Variant.__dataclass_fields__})
            done.setdefault(row["doc_id"], set()).add(own)
        return done

    def _lacks_rows(self, pairs: list[tuple[Any, SampleRecord]]) -> bool:
        """Whether any document lacks a variant that was measured of another, or all of them."""
        done = self._done()
        whole = set().union(*done.values())
        return any(done.get(sample.doc_id, set()) != whole for _, sample in pairs)

    def _complete_states(self, requests: list[Any]) -> None:
        """Unit states of samples that were captured just before a run was stopped."""
        there = self.store.docs()
        absent = [r for r in requests if str(r.doc_id) not in there] if self.places else []
        for start in range(0, len(absent), _SLICE):
            found: dict[str, dict[str, np.ndarray]] = {}
            own = absent[start : start + _SLICE]
            isolated(
                partial(self._states_of, found=found),
                own,
                at_once=self.access.at_once or len(own),
                lost=self._note_lost,
            )
            self.store.add(list(found), list(found.values()))

    def _states_of(
        self, requests: list[Any], *, found: dict[str, dict[str, np.ndarray]]
    ) -> list[None]:
        """Unit states by document, into ``found``."""

        def handler(
            inputs: dict[str, torch.Tensor], options: dict[str, Any], docs: list[str]
        ) -> torch.Tensor:
            mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))
            states = UnitStates(self.model, self.family, self.places, mask)
            with states.attached():
                sequences = branched_generate(
                    self.model, self.family, inputs, _no_work, keep=(), **options
                )
            found.update({doc: states.of(index) for index, doc in enumerate(docs)})
            return sequences

        self.access.serve(self.asked(requests), handler)
        return [None] * len(requests)

    def _barrier(self) -> None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()

    def _entries(self, records: list[SampleRecord]) -> list[Any]:
        """The clean pass of every rank, in the order of the documents."""
        if self.access.world_size > 1:
            every = self.session.answered(self.task)
            entries = [entry for entry in every if not _failed(entry.record)]
        else:
            entries = self.session.known.entries(records)
        return sorted(entries, key=lambda entry: int(entry.record.doc_id))

    def _chosen(self, samples: list[SampleRecord]) -> set[str]:
        """Documents to measure: all, or whole images until there are enough."""
        most = self.settings.max_samples
        groups = list(dict.fromkeys(sample.group for sample in samples))
        of_group: dict[str, list[str]] = {group: [] for group in groups}
        for sample in samples:
            of_group[sample.group].append(sample.doc_id)
        chosen: set[str] = set()
        for index in seeded(f"{self.task}/images").permutation(len(groups)):
            if most is not None and len(chosen) >= most:
                break
            chosen.update(of_group[groups[index]])
        return chosen

    def _own(
        self, requests: list[Any], samples: list[SampleRecord]
    ) -> list[tuple[Any, SampleRecord]]:
        by_doc = {sample.doc_id: sample for sample in samples}
        return [(r, by_doc[str(r.doc_id)]) for r in requests if str(r.doc_id) in by_doc]

    def _sweep(self, pairs: list[tuple[Any, SampleRecord]], ranking: Ranking) -> tuple[int, int]:
        """Write rows of every sample; how many had no map, and were decoded differently."""
        writer = SweepRows(self.access, self.session, {s.doc_id: s for _, s in pairs}, self._done())
        bar = tqdm(
            total=len(pairs), desc=f"{self.task} + interventions", disable=not self.session.is_main
        )
        unmapped = 0
        step = max(1, _SLICE // self.access.batch_size) * self.access.batch_size
        for start in range(0, len(pairs), step):
            part = pairs[start : start + step]
            swept = [sample for _, sample in part]
            maps = self.session.folder.store.array(ImageMaps, "by_layer", swept)
            prompts = {
                s.doc_id: self._prompt(request, s, m)
                for (request, s), m in zip(part, maps, strict=True)
            }
            unmapped += sum(prompt.attended is None for prompt in prompts.values())
            wanted = [r for r, s in part if writer.missing(self.groups, s.doc_id)]
            handler = partial(self._handle, ranking=ranking, writer=writer, prompts=prompts)
            isolated(
                partial(self._swept, handler=handler, writer=writer),
                wanted,
                at_once=self.access.at_once or len(wanted),
                lost=self._note_lost,
            )
            writer.write()
            bar.update(len(part))
        bar.close()
        return unmapped, writer.n_mismatched

    def _swept(
        self, requests: list[Any], *, handler: GenerateHandler, writer: SweepRows
    ) -> list[None]:
        """Rows of some samples; with fewer rows at a time where memory runs out."""
        while True:
            writer.forget()
            try:
                texts = self.access.serve(self.asked(requests), handler)
            except Exception as error:
                if not is_out_of_memory(error) or self.max_rows == 1:
                    raise
                let_go(error)
            else:
                writer.finish(requests, texts)
                return [None] * len(requests)
            self.max_rows = max(1, self.max_rows // 2)
            logger.warning(f"Out of memory: {self.max_rows} variants at a time from here on.")

    def _note_lost(self, request: Any, reason: str) -> None:
        self.lost[str(request.doc_id)] = reason

    def _prompt(self, request: Any, sample: SampleRecord, maps: np.ndarray | None) -> Prompt:
        identity = f"{self.task}/{sample.split}/{sample.doc_id}"
        if maps is None:
            return Prompt(sample.doc_id, identity, None, None)
        mean = there(maps).mean(axis=0)
        canvas = self.access.canvas(self.asked([request]), request)
        return Prompt(
            sample.doc_id, identity, mean.ravel(), mean.shape,
            None if isinstance(canvas, str) else canvas,
        )  # fmt: skip

    def _handle(
        self,
        inputs: dict[str, torch.Tensor],
        options: dict[str, Any],
        docs: list[str],
        *,
        ranking: Ranking,
        writer: SweepRows,
        prompts: dict[str, Prompt],
    ) -> torch.Tensor:
        """One batch: the clean pass, and all of its variants that are not there yet."""
        groups = writer.missing(self.groups, *docs)
        own = [prompts[doc] for doc in docs]

        def work(clean: CleanPass, references: list[Answer]) -> None:
            writer.note_clean(docs, references)
            batch = Batch(clean, references, inputs, own, ranking)
            found = sweep_answers(batch, groups, max_rows=self.max_rows)
            for index, variant, answer in found:
                writer.note(docs[index], variant, answer)

        return branched_generate(
            self.model,
            self.family,
            inputs,
            work,
            keep={group.start for group in groups if group.intervention.resumes},
            **options,
        )


def _failed(record: SampleRecord) -> bool:
    """Whether a sample has no clean pass that a sweep could start from."""
    return ANSWER in record.missing or SIGNALS in record.missing


def _no_work(_clean: CleanPass, _references: list[Answer]) -> None:
    """The clean pass itself is all that is wanted."""
