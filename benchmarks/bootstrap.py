"""Time and memory of resamples (of ranks) and intervals at the size the method asks for.

Run as ``python -m benchmarks.bootstrap``: 500 resamples over images of 10,000 samples, as
ranks take them, and 20 signals, each with AUROC, within-kind AUROC and error average precision; at
most 20 s on one core, under 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np

from leaderboard.results.ranking import N_RESAMPLES
from metrics.scores.bootstrap import (
    auroc_estimate,
    cluster_weights,
    error_average_precision_estimate,
)

LIMIT_SECONDS = 20.0
LIMIT_GIGABYTES = 2.0


def main() -> int:
    """Measure and compare with the limits; exit code 1 beyond them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=2_500)
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--resamples", type=int, default=N_RESAMPLES)
    asked = parser.parse_args()

    rng = np.random.default_rng(0)
    correct = rng.random(asked.samples) < 0.7
    groups = rng.integers(0, asked.images, asked.samples).tolist()
    kinds = rng.integers(0, 6, asked.samples).tolist()
    signals = rng.normal(size=(asked.signals, asked.samples)) + correct
    signals[::4] = signals[::4].round(1)  # every fourth with ties

    started = {"wall": time.perf_counter(), "cpu": time.process_time()}
    cluster_weights(groups, n_resamples=asked.resamples, rng=rng)
    for signal in signals:
        auroc_estimate(correct, signal, groups=groups)
        auroc_estimate(correct, signal, groups=groups, kinds=kinds)
        error_average_precision_estimate(correct, signal, groups=groups)
    wall = time.perf_counter() - started["wall"]
    cpu = time.process_time() - started["cpu"]
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(f"{wall:.1f} s wall, {cpu:.1f} s cpu, {gigabytes:.2f} GB peak\n")
    return int(cpu > LIMIT_SECONDS or gigabytes > LIMIT_GIGABYTES)


if __name__ == "__main__":
    sys.exit(main())
