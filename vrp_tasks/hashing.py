"""Hashes of files; those of large ones are remembered in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from loguru import logger

from vrp_tasks.cache_folder import cache_folder
from vrp_tasks.whole_files import write_text

_REMEMBERED = "file_hashes.json"
_LARGE = 256 * 1024**2  # bytes from which a hash is remembered: below it is made in half a second
_AT_ONCE = 4  # files hashed together: hashing lets other threads run


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of every byte of some files; that of a large one is computed once.

    It is remembered under the file's path, size, inode and times, in the user's cache folder. The
    time of the last change of the inode is among them, which no tool that copies or restores a
    file sets back.
    """
    known = _known()
    keys = {path: _key_of(path) for path in paths}
    absent = [path for path, key in keys.items() if known.get(key) is None]
    large = [path for path in absent if path.stat().st_size >= _LARGE]
    if large:
        n_bytes = sum(path.stat().st_size for path in large)
        logger.info(f"Hashing {n_bytes / 1e9:.1f} GB of weights, once.")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        known |= {
            keys[path]: digest
            for path, digest in zip(absent, pool.map(sha256_of, absent), strict=True)
        }
    if large:
        _remember({keys[path]: known[keys[path]] for path in large})
    return [known[keys[path]] for path in paths]


def _key_of(path: Path) -> str:
    there = path.resolve()
    found = there.stat()
    return f"{there} {found.st_size} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}"


def _known() -> dict[str, str]:
    try:
        found = json.loads((cache_folder() / _REMEMBERED).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    plain = isinstance(found, dict) and all(isinstance(own, str) for own in found.values())
    return found if plain else {}


def _remember(new: dict[str, str]) -> None:
    """Add hashes to those remembered; where that cannot be written they are made again."""
    folder = cache_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / _REMEMBERED, json.dumps(_known() | new, indent=1), shared=True)
