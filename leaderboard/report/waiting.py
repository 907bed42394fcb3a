"""What is said on standard error while something takes long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leaderboard.tables.text import clean

SECONDS_BEFORE_WORDS, SECONDS_BETWEEN_LINES = 2.0, 5.0


@contextmanager
def evaluated_at_times() -> Iterator[Callable[[int, int], None]]:
    """Lines on standard error, with the time left, while what takes long is evaluated."""
    began = said = time.monotonic()
    timer = threading.Timer(SECONDS_BEFORE_WORDS, sys.stderr.write, ["evaluating runs …\n"])
    timer.daemon = True
    timer.start()

    def progress(done: int, of: int) -> None:
        nonlocal said
        now = time.monotonic()
        if done and now - said >= SECONDS_BETWEEN_LINES:
            said = now
            left = (now - began) / done * (of - done)
            sys.stderr.write(f"{done} of {of} runs evaluated, about {left:.0f} s left\n")

    try:
        yield progress
    finally:
        timer.cancel()


def said_at_times() -> Callable[[str, int, int], None]:
    """A line on standard error every few seconds, with the time left; none for what is short."""
    last = time.monotonic()
    began: dict[str, float] = {}

    def progress(what: str, done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        since = began.setdefault(what, now)
        if now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        left = f", about {(now - since) / done * (of - done):.0f} s left" if done else ""
        sys.stderr.write(f"{clean(what)}: {done} of {of}{left}\n")

    return progress
