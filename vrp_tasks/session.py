"""One evaluation that includes our tasks: its tasks, settings, cards and run folder."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loguru import logger

from metrics.card import Card
from metrics.errors import UndefinedMetricError
from metrics.record_card import card_of_records, signal_columns
from metrics.records import IMAGES_FILE, SampleRecord
from metrics.signals import ANY, BOUNDS, BY_NAME
from metrics.validity import check_signal
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.attach.scorer import describe_task, scorer_of
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.companions import COMPANIONS
from vrp_tasks.errors import SetupError
from vrp_tasks.probe_file import SEEN, save_probe
from vrp_tasks.provenance import describe_model, last_parts, package_versions, peak_memory
from vrp_tasks.run_folder import RunFolder
from vrp_tasks.scoring import unlabelled
from vrp_tasks.storage_plan import storage_plan
from vrp_tasks.supervised import (
    PROBE_STATE,
    cluster_grid,
    fitted_probe,
    supervised_signals,
    transfer,
)
from vrp_tasks.thumbnails import Thumbnails


class Session:
    """Tasks, settings and run folder of one evaluation, on one rank.

    Attributes
    ----------
    tasks : dict of str to lmms-eval task
        Our tasks only.
    cards : dict of str to Card
        Filled on rank 0 as tasks are aggregated.
    folder : RunFolder
        Where captures go.
    storage : StoragePlan
        Which hidden states go there.
    """

    def __init__(
        self, lm: Any, tasks: dict[str, Any], plans: dict[str, TaskPlan], *, output: str | None
    ) -> None:
        self.tasks, self._plans = tasks, plans
        self._labels: dict[str, dict[str, Any]] = {}
        self.cards: dict[str, Card] = {}
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
        self.model = describe_model(lm)
        self.settings = lm.vrp_settings()
        self._cluster_grid = lm.options.cluster_grid
        self.geometry = lm.check_geometry()
        if self.geometry is not None:
            logger.warning(f"Attention signals will be INVALID: {self.geometry}.")
        rank = int(os.environ.get("RANK", 0))
        self.is_main = rank == 0
        fingerprint = {
            "model": self.model,
            "settings": self.settings,
            "tasks": {name: _fingerprint(task) for name, task in tasks.items()},
            "versions": package_versions(),
        }
        name = last_parts(self.model["pretrained"])
        base = Path(output) / name
        stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
        path = None
        if self.is_main:
            self.folder = RunFolder.create(base, stamp=stamp, fingerprint=fingerprint)
            path = str(self.folder.path)
        path = _broadcast(path)
        if not self.is_main:
            self.folder = RunFolder(Path(path), rank=rank)
        try:
            self.storage = storage_plan(lm, tasks, plans, self.folder.path)
        except SetupError:
            self.close()
            raise

    def owns(self, task: str) -> bool:
        """Whether a request of this task is to be probed."""
        return task in self.tasks

    def correct_of(self, task: str, doc: Any, answer: str) -> int | None:
        """Whether the task's own scorer takes an answer for right; None without a reference."""
        return self.tasks[task].process_results(doc, [answer])["accuracy"]["correct"]

    def keep_images(self, task: str, docs: Sequence[Any]) -> list[str | None]:
        """Store a small copy of each document's image, once; hashes, None where none is kept."""
        kept = [self._images.take(self.tasks[task], doc) for doc in docs]
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

    def score_task(self, task: str, items: Sequence[dict[str, Any]]) -> Card:
        """Turn gathered items into records and score every signal (rank 0)."""
        scorer = scorer_of(self.tasks[task])
        if scorer is not None and (labels := scorer.summarise(items)) is not None:
            self._labels[task] = labels
        ordered = sorted(items, key=lambda item: _natural(item["doc_id"]))
        _fill_in(ordered)
        records = [SampleRecord(**{"score": None, **item}) for item in ordered]
        labelled = [record for record in records if record.correct is not None]
        if (gap := unlabelled(records)) is not None:
            logger.warning(f"{task}: {gap}")
        found = supervised_signals(self.folder, labelled, task=task)
        found.enter(records, labelled)
        self._probe[task] = found.summary
        fits = {name: fit.to_json() for name, fit in found.fits.items()}
        self._fits |= {f"{task}:{name}": fit for name, fit in fits.items()}
        if self._cluster_grid:
            self._probe[task]["cluster_grid"] = cluster_grid(self.folder, labelled)
        invalid = {}
        for name, values in signal_columns(records).items():
            complaint = self._distrust(name) or check_signal(values, bounds=BOUNDS.get(name, ANY))
            if complaint is not None and np.isnan(values).all():
                complaint = f"{complaint}: {records[0].missing.get(name, 'no reason given')}"
            if complaint is not None:
                invalid[name] = complaint
        self._invalid |= {f"{task}:{name}": reason for name, reason in invalid.items()}
        self._records += records
        card = card_of_records(records, invalid=invalid, fits=fits)
        self.cards[task] = card
        return card

    def _distrust(self, name: str) -> str | None:
        """Why no value of a signal counts on this model, whatever the values are."""
        family = BY_NAME[name].family if name in BY_NAME else None
        on_grid = family == "attention" and name != "image_attention_mass"
        return self.geometry if on_grid else None

    def _save_probes(self) -> None:
        """One fitted probe per task that has labels enough; what transfers between tasks."""
        if self._temporary is not None:
            return
        for task in self._own_images():
            try:
                probe, fitted_on = fitted_probe(self.folder, self._of_task(task), task=task)
            except UndefinedMetricError as undefined:
                logger.info(f"{task}: no probe is saved: {undefined}.")
                continue
            docs = self.tasks[task].eval_docs
            images = (
                content_hashes(self.tasks[task], docs[int(record.doc_id)]) for record in fitted_on
            )
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
        settings = {name: task.config.metadata["vrp"] for name, task in self.tasks.items()}
        plain = [n for n, s in settings.items() if not set(given_keys(s)) & set(COMPANIONS)]
        return plain or list(self.tasks)

    def _of_task(self, name: str) -> list[SampleRecord]:
        return [record for record in self._records if record.task == name]

    def _n_seen(self, task: str) -> int:
        """Samples that a given probe leaves out, since it was fitted on their images."""
        return sum(r.missing.get("loaded_probe") == SEEN for r in self._of_task(task))

    def finish(self) -> None:
        """Write records and manifest (rank 0)."""
        if not self.is_main:
            return
        self._save_probes()
        manifest = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "model": {**self.model, "geometry_self_test": self.geometry or "passed"},
            "tasks": {
                name: describe_task(
                    task,
                    self._of_task(name),
                    labels=self._labels.get(name),
                    subset=self._plans[name].subset,
                )
                | {"n_seen_by_loaded_probe": self._n_seen(name)}
                for name, task in self.tasks.items()
            },
            "settings": self.settings,
            "versions": package_versions(),
            "command": list(sys.argv),
            "invalid": self._invalid,
            "probe": self._probe,
            "fits": self._fits,
            "transfer": transfer(
                self.folder, {task: self._of_task(task) for task in self._own_images()}
            ),
            "sweeps": self.sweeps,
            "cost": {
                "seconds": round(self.seconds, 3),
                "n_samples": self.n_generated,
                "peak_memory_bytes": peak_memory(),
            },
        }
        path = self.folder.finish(self._records, manifest)
        if self._temporary is None:
            logger.info(f"Reliability records: {path}")

    def close(self) -> None:
        """Release the folder; without an output path it goes away."""
        self.folder.release()
        if self._temporary is not None:
            self._temporary.cleanup()


def _fill_in(items: list[dict[str, Any]]) -> None:
    """Give every sample the same columns: what some were answered without is null with a reason."""
    for part in ("signals", "layers"):
        names = {name for item in items for name in item[part]}
        for item in items:
            for name in names - set(item[part]):
                item[part][name] = None
                item["missing"].setdefault(name, item["missing"].get("capture", "not captured"))


def _fingerprint(task: Any) -> list[str]:
    """What a task asks and how: a run that was stopped goes on only under the same."""
    config = task.config
    asked = [config.metadata["vrp"], config.generation_kwargs, config.dataset_path]
    asked += [config.dataset_name, len(task.eval_docs_no_media)]
    return [str(task.VERSION), *(json.dumps(part, sort_keys=True, default=_name) for part in asked)]


def _name(function: Any) -> str:
    return getattr(function, "__name__", "")


def _natural(doc_id: str) -> tuple[int, str]:
    return (int(doc_id), "") if doc_id.isdigit() else (sys.maxsize, doc_id)


def _broadcast(value: str | None) -> str:
    """Rank 0's value on every rank."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        value = box[0]
    return str(value)
