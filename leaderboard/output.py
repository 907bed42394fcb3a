"""Where files go: into folders that may be a stranger's, and into the user's own cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

import platformdirs


def anew(path: Path) -> Path:
    """Clear the way for a file that is written from the start, and return its path.

    What stands there is removed, not written to: in a folder that was received it may be a link to
    a file of ours.
    """
    path.unlink(missing_ok=True)
    return path


def cache_folder(output: Path) -> Path:
    """The user's own folder of what was computed for an output folder.

    Not in that folder: who sends runs could put figures there that nobody computed.
    """
    own = hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("vrp-leaderboard", appauthor=False) / own
