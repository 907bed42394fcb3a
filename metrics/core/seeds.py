"""Where the random draws of a task begin."""

from __future__ import annotations

import hashlib

import numpy as np


def rng_for(task: str) -> np.random.Generator:
    """Generator of one task's folds and draws: the same for every run, so that figures repeat."""
    return np.random.default_rng(list(hashlib.sha256(task.encode()).digest()[:8]))
