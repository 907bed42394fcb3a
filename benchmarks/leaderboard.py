"""Time and memory of a leaderboard of many runs, on synthetic runs in the record format.

Run as ``python -m benchmarks.leaderboard``: 30 runs × 3,000 samples with every declared signal, ten
samples and layer profiles each; `vrp-leaderboard build` from nothing and again from its cache. At
most 60 s on two cores, each process under 2 GB together.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.cli import main as build
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE, RunManifest, SampleRecord
from metrics.signals import SIGNALS
from tests.signal_values import in_range

LIMIT_SECONDS = 60.0
LIMIT_GIGABYTES = 2.0
TASK = "synthetic"
KINDS = ("existence", "counting", "attribute", "relation")
N_LAYERS = 28
QUESTIONS_PER_IMAGE = 6


def main() -> int:
    """Measure and compare with the limits; exit code 1 beyond them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=3_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(asked.runs):
            write_run(folder / f"run-{seed:02}", n=asked.samples, seed=seed)
        before = _cpu_seconds()
        first = _seconds(folder)
        cpu = _cpu_seconds() - before
        again = _seconds(folder)
        report = (folder / "report.html").stat().st_size / 1e6
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, _CHILDREN))
    # of the largest worker: there is one per core, each with one run at a time
    parent, worker = (peak / 2**20 for peak in usage)
    sys.stdout.write(
        f"{first:.1f} s ({cpu:.1f} s cpu), from the cache {again:.1f} s; {parent:.2f} GB peak, "
        f"{worker:.2f} GB per worker; report {report:.1f} MB\n"
    )
    return int(first > LIMIT_SECONDS or parent + 2 * worker > LIMIT_GIGABYTES)


def write_run(folder: Path, *, n: int, seed: int) -> None:
    """Write one run whose signals tell right from wrong with strengths from none to clear."""
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.7
    strengths = np.linspace(0, 1.5, len(SIGNALS))
    scores = rng.normal(size=(len(SIGNALS), n)) + strengths[:, None] * correct
    scores[::4] = scores[::4].round(1)  # every fourth with ties
    for row, signal in zip(scores, SIGNALS, strict=True):
        row[:] = in_range(signal.name, row)
    entropy = 4 + rng.random((n, N_LAYERS))
    margins = rng.normal(size=(n, N_LAYERS + 1)).cumsum(axis=1)
    rows = [
        _record(i, bool(correct[i]), scores[:, i], entropy[i], margins[i], rng).to_row()
        for i in range(n)
    ]
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / RECORDS_FILE)
    data = (folder / RECORDS_FILE).read_bytes()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest = RunManifest(
        created="2026-01-01T00:00:00Z",
        model={"name": f"model-{seed:02}", "family": "synthetic", "n_parameters": 7e9},
        tasks={TASK: {"version": 1, "split": "test", "n_samples": n, "threshold": 0.5}},
        settings={"k": 10},
        versions={},
        command=[],
        cost={"seconds": 0.5 * n, "n_samples": n, "peak_memory_bytes": 2**34},
        files={RECORDS_FILE: entry},
    )
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest.to_json()), "utf-8")


def _record(
    i: int,
    correct: bool,
    scores: np.ndarray,
    entropy: np.ndarray,
    margins: np.ndarray,
    rng: np.random.Generator,
) -> SampleRecord:
    answer = str(rng.choice(["yes", "no", "two", "red"]))
    return SampleRecord(
        task=TASK,
        split="test",
        doc_id=str(i),
        group=f"image-{i // QUESTIONS_PER_IMAGE}",
        kind=KINDS[i % len(KINDS)],
        prompt=f"Is there a red circle to the left of the blue square in picture {i}?",
        answer=answer,
        target=answer if correct else "three",
        score=float(correct),
        correct=int(correct),
        samples=[answer] * 7 + ["three"] * 3,
        normal_answer=answer,
        normal_samples=[answer] * 7 + ["three"] * 3,
        signals={s.name: float(v) for s, v in zip(SIGNALS, scores, strict=True)},
        layers={"spatial_entropy": entropy.tolist(), "answer_margin": margins.tolist()},
        missing={},
        grid=[24, 24],
        n_answer_tokens=1,
        shard=None,
        row=None,
    )


def _cpu_seconds() -> float:
    """Of this process and the workers that have ended."""
    return sum(os.times()[:4])


def _seconds(folder: Path) -> float:
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        code = build(["build", str(folder)])
    if code:
        raise SystemExit(code)
    return time.perf_counter() - began


_CHILDREN = resource.RUSAGE_CHILDREN

if __name__ == "__main__":
    sys.exit(main())
