"""Where the user keeps what can be made again: generated data, hashes of large files."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """VRP_TASKS_CACHE, or vrp-tasks in the user's cache folder."""
    if chosen := os.environ.get("VRP_TASKS_CACHE"):
        return Path(chosen).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "vrp-tasks"
    return Path("~/.cache/vrp-tasks").expanduser()
