"""Run folders with planted sweeps: what an ablation does is written down, not measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.records import INTERVENTIONS_FILE, MANIFEST_FILE
from tests.leaderboard.helpers.golden import make_records, write_run

DOSES = (0.1, 0.5)
# (intervention, choice, dose) -> chance that a right answer stays right
Plan = Callable[[str, str, float], float]


def bottleneck(intervention, choice, dose):
    """Ranked units decide the answer; random ones hardly matter."""
    return 0.3 if choice == "ranked" else 1 - 0.1 * dose


def plateau(intervention, choice, dose):
    """Nothing matters until half of everything is gone."""
    return 1.0 if dose < 0.5 else 0.9


def rows_of(records, plan: Plan, *, seed=0, layer=5, choices=("ranked", "random")):
    rng = np.random.default_rng(seed)
    rows = []
    for record in records:
        for intervention, fill, at in (
            ("ablate_residual", "zero", layer),
            ("mask_attention", "block", None),
        ):
            for choice in choices:
                for dose in DOSES:
                    for number in (0, 1, 2) if choice == "random" else (None,):
                        stays = rng.random() < plan(intervention, choice, dose)
                        correct = int(bool(record.correct) and stays)
                        rows.append(
                            {
                                "task": record.task, "split": record.split,
                                "doc_id": record.doc_id, "group": record.group,
                                "intervention": intervention, "choice": choice, "fill": fill,
                                "layer": at, "dose": dose, "unit": "share", "seed": number,
                                "answer": record.answer, "correct": correct,
                                "clean_correct": record.correct, "agrees": int(stays),
                                "logprob": -1.0, "clean_logprob": -0.5,
                            }
                        )  # fmt: skip
    return rows


def write_swept_run(
    folder: Path,
    plan: Plan,
    *,
    n=400,
    swept=None,
    refused=None,
    name="tiny-llava",
    drop=(),
    **options,
):
    """A run of ``n`` samples, a sweep of the first ``swept``; ``drop`` names rows not written."""
    records = make_records(n)
    rows = rows_of(records[:swept], plan, **options)
    rows = [row for index, row in enumerate(rows) if index not in drop]
    write_run(
        folder,
        records,
        model={"name": name, "family": "llava", "n_parameters": 1_200_000},
        sweeps={"shapes": {"refused": refused or {}}},
    )
    add_table(folder, INTERVENTIONS_FILE, rows)
    return folder


def add_table(folder: Path, file: str, rows: list[dict]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), folder / file)
    data = (folder / file).read_bytes()
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["files"][file] = entry
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
