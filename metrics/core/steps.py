"""How far a long computation is, told to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

# steps done, of so many
Progress = Callable[[int, int], None]
T = TypeVar("T")


class Steps:
    """Counts steps, and tells: once before the first, and after each."""

    def __init__(self, progress: Progress, of: int) -> None:
        self._tell, self._done, self._of = progress, 0, of
        progress(0, of)

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        self._tell(self._done, self._of)

    def after_each(self, items: Iterable[T]) -> Iterator[T]:
        """Hand on items; whoever asks for the next one has done with the one before."""
        for item in items:
            yield item
            self()
