"""A run folder of made-up answers, for tests."""

from datetime import UTC, datetime
from functools import partial

import numpy as np

from metrics.record.channels import ImageMaps, PromptState
from metrics.record.records import SampleRecord
from vrp_tasks.run.folder import RunFolder

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FINGERPRINT = {"model": "m", "settings": {"k": 10}}
MANIFEST = {
    "created": "2026-01-01T00:00:00+00:00",
    "model": {"name": "m"},
    "tasks": {},
    "settings": {},
    "versions": {},
    "command": [],
}


def channels(doc, *, with_map=True):
    own = {"state_prompt": PromptState(np.full((3, 4), doc, dtype=np.float16))}
    if with_map:
        own["image_maps"] = ImageMaps(np.full((2, 1, 5 + doc), 0.1, dtype=np.float32))
    return own


def record(doc, shard, row, **changes):
    values = {
        "task": "t",
        "split": "test",
        "doc_id": str(doc),
        "group": "image-1",
        "kind": "all",
        "prompt": "?",
        "answer": "yes",
        "target": "yes",
        "score": 1.0,
        "correct": 1,
        "samples": ["yes", "no"],
        "normal_answer": "yes",
        "normal_samples": ["yes", "no"],
        "signals": {"self_consistency": 0.5, "probe": None},
        "layers": {"spatial_entropy": [1.0, 2.0]},
        "missing": {"probe": "one class"},
        "grid": [2, 3],
        "n_answer_tokens": 1,
        "shard": shard,
        "row": row,
    }
    return SampleRecord(**{**values, **changes})


def create(base, rank=0):
    return RunFolder.create(base, now=NOW, fingerprint=FINGERPRINT, rank=rank)


def at(doc):
    return partial(record, doc)
