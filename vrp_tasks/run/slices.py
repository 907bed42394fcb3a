"""How many requests are answered between two writes: so many, or what a minute brings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

FIRST = 16  # requests, while nobody knows how long one takes
SECONDS = 60.0


def slices(
    order: Sequence[int],
    *,
    batch_size: int,
    most: int,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[list[int]]:
    """Cut a run's order into slices of whole batches.

    What is lost by a stop is one slice. Whoever takes a slice is timed until he asks for the next.

    Parameters
    ----------
    order : sequence of int
        Indices of requests.
    batch_size : int
        Requests that the adapter sends at once; slices are multiples of it, the last one aside.
    most : int
        Requests of a slice, however fast they are.
    now : callable
        The clock, seconds.
    """
    start, size = 0, min(most, FIRST)
    while start < len(order):
        step = max(1, size // batch_size) * batch_size
        began = now()
        yield list(order[start : start + step])
        start += step
        seconds = max(now() - began, 1e-9) / step
        size = min(most, int(SECONDS / seconds))
