"""Computed statistics, kept by the content they were computed from.

An entry's name is a hash of the manifest (which holds the hash of every file of the run, and the
files are checked against it at each build), of the code that computes and of its libraries'
versions. So an entry is either right or not found; nothing has to be removed when something
changes. Entries are JSON under their own hash. What cannot be read, or is not what was written, is
computed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import leaderboard
import metrics
from leaderboard.results.aggregate import TaskResult
from leaderboard.results.codec import decode, encode
from leaderboard.results.summary import Summaries

PACKAGES = {"leaderboard": leaderboard, "metrics": metrics}
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "pillow")
SUFFIX = ".json"


class Cache:
    """A folder of entries; `keep_used` removes those that this build did not ask for.

    ``summaries`` are what is computed of each run beside its cards.
    """

    def __init__(self, folder: Path, summaries: Summaries = ()) -> None:
        self.folder = folder
        self.summaries = tuple(summaries)
        self._kinds = {summary.key: summary.kind for summary in self.summaries}

    def key(self, manifest: bytes) -> str:
        """Name of the entry of a run with these bytes of manifest."""
        parts = (code_version(), *self._kinds, hashlib.sha256(manifest).hexdigest())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def has(self, key: str) -> bool:
        """Whether there is an entry of this name, readable or not."""
        return (self.folder / f"{key}{SUFFIX}").is_file()

    def get(self, key: str) -> tuple[TaskResult, ...] | None:
        """Results of a run, or None where there is no entry or it cannot be read.

        Nor is one believed that somebody else could have written.
        """
        if not _is_the_users(self.folder):
            return None
        try:
            digest, _, text = (self.folder / f"{key}{SUFFIX}").read_text("utf-8").partition("\n")
            if digest != _digest_of(key, text):
                return None
            return tuple(map(self._typed, decode(tuple[TaskResult, ...], json.loads(text))))
        except (OSError, ValueError):
            return None

    def _typed(self, result: TaskResult) -> TaskResult:
        further: dict[str, Any] = {
            key: decode(self._kinds[key], data) for key, data in result.further.items()
        }
        return replace(result, further=further)

    def put(self, key: str, results: tuple[TaskResult, ...]) -> None:
        """Write an entry; a reader sees all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(encode(results), separators=(",", ":"))
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=SUFFIX)  # swept up if left behind
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{_digest_of(key, text)}\n{text}")
        Path(name).replace(self.folder / f"{key}{SUFFIX}")

    def keep_used(self, keys: Iterable[str]) -> None:
        """Remove the other entries, so that the folder does not grow from build to build."""
        used = {f"{key}{SUFFIX}" for key in keys}
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path.name not in used:
                path.unlink(missing_ok=True)


def _is_the_users(folder: Path) -> bool:
    """Whether a folder is the user's own, and nobody else may write to it."""
    if not hasattr(os, "getuid"):  # no POSIX: the cache lies in the user's profile
        return True
    try:
        found = folder.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _digest_of(key: str, text: str) -> str:
    """With the key, so that an entry under another's name is not taken for it."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()


@cache
def code_version() -> str:
    """Hash of everything beside the run that a figure depends on."""
    digest = hashlib.sha256()
    for package, module in PACKAGES.items():
        for name, path in sorted(_sources(files(module), package)):
            content = path.read_bytes()
            digest.update(f"{name} {len(content)}\n".encode())
            digest.update(content)
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    """Name and file of all code and data in a package, at any depth; no compiled files."""
    for entry in folder.iterdir():
        if entry.name == "__pycache__" or entry.name.endswith(".pyc"):
            continue
        own = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, own)
        else:
            yield own, entry
