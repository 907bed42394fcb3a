"""Spoil a file, read it, and see that nothing but our own errors comes of it."""

from __future__ import annotations

import random
import resource
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.readers import OURS, READERS
from tests.fuzz.watched import only_within

MOST_SECONDS = 20.0  # of one file, on a machine that does other things too
MOST_MEMORY = 2**20  # KB, of this process at its peak, beyond what it had


def findings(n: int, *, seed: int = 0, only: str | None = None) -> Iterator[str]:
    """Attack the readers with about ``n`` spoilt files; what went wrong, and how to repeat it."""
    had = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    warnings.simplefilter("ignore")
    for name, (_, share) in READERS.items():
        if only in (None, name):
            for number in range(max(1, n * share // 1000)):
                found = attack(name, seed + number)
                if found is not None:
                    yield f"{name} {seed + number}: {found}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - had
    if grown > MOST_MEMORY:
        yield f"memory grew by {grown / 2**20:.1f} GB"


def attack(name: str, seed: int) -> str | None:
    """One spoilt file; what went wrong, or None."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    began = time.monotonic()
    try:
        with only_within(Path(tempfile.gettempdir())):
            READERS[name][0](folder, random.Random(f"{name} {seed}"))
    except OURS:
        pass
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is a finding
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    spent = time.monotonic() - began
    return f"took {spent:.0f} s" if spent > MOST_SECONDS else None
