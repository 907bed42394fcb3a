"""Tiny run folders, written through the record format and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.records import MANIFEST_FILE, RECORDS_FILE, RunManifest, SampleRecord
from tests.signal_values import in_range

KINDS = ("counting", "existence")


def make_records(
    n: int = 160,
    *,
    task: str = "shapes",
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    strength: float = 1.0,
    all_correct: bool = False,
) -> list[SampleRecord]:
    """Four questions per image; `token_confidence` tells right from wrong, attention does not."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        correct = 1 if all_correct else int(rng.random() < 0.65)
        score = strength * correct + rng.normal()
        answer = "yes" if rng.random() < 0.5 else "no"
        entropy = [2.0 + rng.random() for _ in range(4)]
        records.append(
            SampleRecord(
                task=task,
                split="test",
                doc_id=str(i),
                group=f"image-{i // 4}",
                kind=kinds[i % len(kinds)],
                prompt=f"Is there a red circle in picture {i}?",
                answer=answer,
                target=answer if correct else ("no" if answer == "yes" else "yes"),
                score=float(correct),
                correct=correct,
                samples=[answer] * 7 + ["no"] * 3,
                normal_answer=answer,
                normal_samples=[answer] * 7 + ["no"] * 3,
                signals={
                    "spatial_entropy": -entropy[-1],
                    "token_confidence": float(in_range("token_confidence", score)),
                    "self_consistency": float(np.clip(round(0.7 + 0.1 * score, 1), 0.1, 1.0)),
                    "probe": float(score + rng.normal()),
                },
                layers={"spatial_entropy": entropy, "image_attention_mass": [0.1, 0.2, 0.3, 0.4]},
                missing={},
                grid=[8, 8],
                n_answer_tokens=1,
                shard=None,
                row=None,
            )
        )
    return records


def make_manifest(records: Sequence[SampleRecord], **changes: object) -> RunManifest:
    tasks = {}
    for task in dict.fromkeys(record.task for record in records):
        own = [record for record in records if record.task == task]
        tasks[task] = {
            "version": 1,
            "split": "test",
            "n_samples": len(own),
            "threshold": 0.5,
            "kinds": sorted({record.kind for record in own}),
        }
    fields: dict = {
        "created": "2026-11-21T00:00:00Z",
        "model": {"name": "tiny-llava", "family": "llava", "n_parameters": 1_200_000},
        "tasks": tasks,
        "settings": {"k": 10, "temperature": 0.7, "top_p": 0.9, "seed": 0},
        "versions": {"vrp-tasks": "0.1.0"},
        "command": ["lmms-eval", "--tasks", "shapes"],
        "cost": {"seconds": 16.0, "n_samples": len(records), "peak_memory_bytes": 2**30},
    }
    return RunManifest(**fields | changes)


def write_run(
    folder: Path, records: Sequence[SampleRecord] | None = None, **changes: object
) -> Path:
    """Write a complete run folder; ``changes`` replace manifest fields."""
    records = make_records() if records is None else records
    rows = [record.to_row() for record in records]
    return write_rows(folder, rows, make_manifest(records, **changes).to_json())


def rows_of(records: Sequence[SampleRecord]) -> list[dict]:
    """Rows of ``records.parquet``: each has the columns of all, null where its task has none."""
    rows = [record.to_row() for record in records]
    every = dict.fromkeys(name for row in rows for name in row)
    return [every | row for row in rows]


def write_rows(folder: Path, rows: Sequence[dict], manifest: dict) -> Path:
    """Write rows and a manifest as they are, with the hash of what was written."""
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / RECORDS_FILE)
    data = (folder / RECORDS_FILE).read_bytes()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["files"] = {RECORDS_FILE: entry} | manifest["files"]
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")
    return folder
