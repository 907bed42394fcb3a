"""Size of the report and time to load it: 30 runs of 32-layer models, pictures and maps included.

Run as ``python -m benchmarks.report``: writes synthetic runs to a temporary folder, builds the
report and opens it in headless Chromium, which must be installed; at most 18 MB, and 1.5 s to its
load event.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from leaderboard.report.html import to_html
from leaderboard.results.aggregate import build_board
from leaderboard.results.profiles import QUANTITIES
from leaderboard.runs.read import read_runs
from metrics.signals import SIGNALS
from tests.leaderboard.helpers import pictures
from tests.leaderboard.helpers.chromium import Page
from tests.leaderboard.helpers.golden import make_manifest, make_records
from tests.signal_values import in_range

LIMIT_MEGABYTES = 18.0
LIMIT_SECONDS = 1.5

BENCHMARKS = ("first", "second", "third")
N_LAYERS = 32
GRID = (24, 24)
SIDE = 224


def main() -> int:
    """Measure and compare with the limits; exit code 1 beyond them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = Path(folder) / "runs"
        for number in range(asked.runs):
            write_synthetic_run(runs / str(number), number, asked.samples)
        board = build_board(read_runs([runs]))
        began = time.perf_counter()
        html = to_html(board, published=True)
        written = time.perf_counter() - began
        report = Path(folder) / "report.html"
        report.write_text(html, encoding="utf-8")
        with Page(Path(folder) / "profile") as page:
            page.show(width=1280, height=900)
            times = sorted(page.open(report) for _ in range(5))
    megabytes = len(html.encode()) / 1e6
    sys.stdout.write(f"{megabytes:.2f} MB, written in {written:.2f} s, loaded in {times[2]:.2f} s")
    sys.stdout.write(f" (median of {', '.join(f'{t:.2f}' for t in times)})\n")
    return int(megabytes > LIMIT_MEGABYTES or times[2] > LIMIT_SECONDS)


def write_synthetic_run(folder: Path, number: int, n: int) -> None:
    """One run with every declared signal, every layer vector, pictures and 24 × 24 maps."""
    task = BENCHMARKS[number % len(BENCHMARKS)]
    rng = np.random.default_rng(number)
    records = [
        replace(
            record,
            group=f"image-{i // 4}",
            prompt=record.prompt + " Look closely, then answer with a single word.",
            signals={s.name: float(in_range(s.name, rng.normal())) for s in SIGNALS},
            layers={q.name: rng.random(N_LAYERS + 1 - q.first).tolist() for q in QUANTITIES},
        )
        for i, record in enumerate(make_records(n, task=task, seed=number))
    ]
    pictures.GRID, pictures.N_LAYERS, pictures.jpeg = GRID, N_LAYERS, photograph_like
    probe = {"probe": {"auroc_by_layer": [None, *rng.random(N_LAYERS).tolist()]}}
    model = make_manifest(records).model | {"name": f"model-{number}", "center_crop": 0.0}
    pictures.write_pictured_run(folder, records, model=model, probe={task: probe})


def photograph_like(seed: int) -> bytes:
    """Blurred noise with fine grain: about as many bytes as a photograph of this size."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8))
    smooth = np.asarray(noise.filter(ImageFilter.GaussianBlur(6)), dtype=float)
    grain = rng.normal(0, 8, size=smooth.shape)
    return pictures.as_jpeg(np.clip((smooth - 127) * 6 + 127 + grain, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
