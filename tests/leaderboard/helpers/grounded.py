"""Run folders with planted maps: how each lies on its region is written down, not measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.records import (
    GROUNDING_FILE,
    GROUNDING_MAPS,
    INTERVENTIONS_FILE,
    OCCLUSION,
    REGION_MAP,
    TABLES,
    SampleRecord,
)
from tests.leaderboard.helpers.golden import make_records
from tests.leaderboard.helpers.pictures import GRID, name_in_manifest, write_pictured_run

TASK = "shapes"
NO_REGION = "the sample has no annotated region"
NO_MAP = "no image token activates it beyond what the context explains"
_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "bytes": pa.binary()
}  # fmt: skip


_SCORES = ("region_share", "pointing", "mass", "peak_iou", "top_iou", "spatial_entropy", "reason")


def grounding_rows(records: Sequence[SampleRecord]) -> list[dict]:
    """Every fifth sample lacks a region; the prompt side's attention lies on it where the answer
    is right, the answer side's anywhere, and one map is missing of every seventh sample."""
    rng = np.random.default_rng(5)
    rows = []
    for number, record in enumerate(records):
        identity = {name: getattr(record, name) for name in ("task", "split", "doc_id", "group")}
        identity |= {"correct": record.correct, "cells": None, **dict.fromkeys(_SCORES)}
        rows += [
            {**identity, "map": name, **_scores(name, number, record.correct, rng)}
            for name in GROUNDING_MAPS
        ]
        if number % 5 and number < 12:
            own = {"map": REGION_MAP, "region_share": 0.125, "cells": _cells(number)}
            rows.append({**identity, **own})
    return rows


def _scores(name: str, number: int, correct: int | None, rng: np.random.Generator) -> dict:
    if name == "activation.prompt" and number % 7 == 0:
        return {"reason": NO_MAP}
    entropy = {"spatial_entropy": -rng.random()}
    if number % 5 == 0:
        return {**entropy, "reason": NO_REGION}
    inside = 0.1 + 0.3 * rng.random()
    if name.startswith("attention.prompt"):
        inside += 0.5 * (correct or 0)
    if name == "uniform":
        inside = 0.125
    return {
        **entropy, "region_share": 0.125, "pointing": float(inside > 0.5), "mass": inside,
        "peak_iou": inside / 2, "top_iou": inside / 3,
        "cells": _cells(number) if number < 12 and "." in name else None,
    }  # fmt: skip


def occlusion_rows(records: Sequence[SampleRecord]) -> list[dict]:
    """Without the region every other answer changes; elsewhere nothing does, and it is sometimes
    not to be had."""
    rows = []
    for number, record in enumerate(records):
        for choice in ("region", "elsewhere"):
            if number % 5 == 0 or (choice == "elsewhere" and number % 11 == 1):
                continue
            changed = choice == "region" and number % 2 == 0
            rows.append(
                {
                    "task": record.task, "split": record.split, "doc_id": record.doc_id,
                    "group": record.group, "intervention": OCCLUSION, "choice": choice,
                    "fill": "mean", "layer": None, "dose": 0.1 + number / 1000, "unit": "share",
                    "seed": None, "answer": "?", "correct": 0 if changed else record.correct,
                    "clean_correct": record.correct, "agrees": int(not changed),
                    "logprob": -3.0 if choice == "region" else -0.75, "clean_logprob": -0.5,
                }
            )  # fmt: skip
    return rows


def _cells(number: int) -> bytes:
    """One full cell."""
    height, width = GRID
    cells = np.zeros(height * width, dtype=np.uint8)
    cells[number % cells.size] = 255
    return cells.tobytes()


def write_grounded_run(folder: Path, records: Sequence[SampleRecord] | None = None) -> Path:
    """A run with pictures, planted maps and planted occlusion."""
    records = make_records(200, task=TASK) if records is None else records
    sweeps = {TASK: {"occlusion": {"refused": {f"region: {NO_REGION}": 40}, "seed": 0}}}
    write_pictured_run(folder, records, sweeps=sweeps)
    for file, rows in (
        (GROUNDING_FILE, grounding_rows(records)),
        (INTERVENTIONS_FILE, occlusion_rows(records)),
    ):
        schema = pa.schema([(name, _TYPES[c.kind]) for name, c in TABLES[file].items()])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / file)
    name_in_manifest(folder, GROUNDING_FILE, INTERVENTIONS_FILE)
    return folder
