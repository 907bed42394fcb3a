"""Answers that lmms-eval's response cache gave: their signals are in an earlier run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from loguru import logger

from metrics.errors import RecordError
from metrics.record.channels import STATES, Channel, HeadMasses, VisionState
from metrics.record.columns import of_task
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE, RunManifest, SampleRecord
from metrics.signals import BY_NAME
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.attach.results import record_without
from vrp_tasks.place import Place

CACHED = (
    "the answer came from lmms-eval's response cache, and no earlier run folder beside this one "
    "holds its signals"
)
KEPT_THERE = "the answer came from lmms-eval's response cache; its arrays are those of {run}"


class EarlierRuns:
    """Records of complete runs of the same model under the same settings, beside a run folder.

    Parameters
    ----------
    folder : Path
        The run folder of this run.
    model, settings : mapping
        As the manifest has them; a run of another checkpoint or other settings is no source.
    """

    def __init__(self, folder: Path, model: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._folder, self._model, self._settings = folder, dict(model), dict(settings)
        self.not_offered: dict[str, str] = {}  # of the runs that were searched
        self._found: dict[Place, tuple[str, SampleRecord]] | None = None

    def record_of(self, judged: Judgement) -> SampleRecord:
        """The earlier record of the same answer, labelled as now; one without signals if none."""
        if self._found is None:
            self._found = dict(self._read())
        run, record = self._found.get(judged.place, ("", None))
        same = record is not None and (record.answer, record.group, record.target) == (
            judged.answer,
            judged.group,
            judged.target,
        )
        if record is None or not same:
            return record_without(judged, CACHED)
        fitted_on: tuple[type[Channel], ...] = (*STATES, VisionState, HeadMasses)
        gone = {channel.name: KEPT_THERE.format(run=run) for channel in fitted_on}
        # that run may have been given another probe
        opinion: dict[str, float | None] = {n: None for n in record.signals if n == "loaded_probe"}
        gone |= dict.fromkeys(opinion, CACHED)
        fitted = {n for n in record.signals if n in BY_NAME and BY_NAME[n].fitted}
        return replace(
            record,
            kind=judged.kind,
            score=judged.score,
            correct=judged.correct,
            signals={n: v for n, v in record.signals.items() if n not in fitted} | opinion,
            missing={n: r for n, r in record.missing.items() if n not in fitted} | gone,
            shard=None,
            row=None,
        )

    def _read(self) -> list[tuple[Place, tuple[str, SampleRecord]]]:
        found = []
        for path in sorted(self._folder.parent.glob(f"*/{MANIFEST_FILE}")):
            run = path.parent
            try:
                manifest = RunManifest.from_json(json.loads(path.read_text("utf-8")))
                if not self._same(manifest):
                    continue
                rows = pq.read_table(run / RECORDS_FILE).to_pylist()
                records = [
                    SampleRecord.from_row(
                        row, not_offered=of_task(manifest.not_offered, row["task"])
                    )
                    for row in rows
                ]
            except (RecordError, OSError, ValueError, pa.ArrowException) as error:
                logger.warning(f"{run}: not searched for cached answers: {error}")
                continue
            self.not_offered |= manifest.not_offered
            found += [(Place(r.task, r.split, r.doc_id), (run.name, r)) for r in records]
        return found

    def _same(self, manifest: RunManifest) -> bool:
        there = {name: manifest.model.get(name) for name in self._model}
        return there == self._model and manifest.settings == self._settings
