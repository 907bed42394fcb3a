"""What scorers said of the answers of a run, in little memory: equal parts of it are held once."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from itertools import count, starmap
from typing import Any

from metrics.record.packing import Numbers, Pool
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.place import ByPlace, Place

_UNBOUNDED = float("-inf")  # stands for None: no score is below 0
_POOLED = tuple(n for n in Judgement.__dataclass_fields__ if n not in ("place", "score"))


class Judgements:
    """The latest judgement of each document; from any thread."""

    def __init__(self) -> None:
        self._rows = ByPlace[int]()
        self._pools: dict[str, Pool[Any]] = {name: Pool() for name in _POOLED}
        self._scores = Numbers("d", _UNBOUNDED)
        self._changing, self._next, self._apart = threading.Lock(), count(), count()

    def add(self, judged: Judgement) -> None:
        """One of a document takes the place of that before."""
        with self._changing:
            for name, pool in self._pools.items():
                value = getattr(judged, name)
                pool.append(value, self._key(value))
            self._scores.append(judged.score)
            self._rows[judged.place] = next(self._next)

    def get(self, place: Place) -> Judgement | None:
        """That of a document; None if it has none."""
        row = self._rows.get(place)
        return None if row is None else self._made(place, row)

    def of_task(self, task: str) -> Iterator[Judgement]:
        """Those of a task, one at a time."""
        return starmap(self._made, self._rows.of_task(task))

    def _made(self, place: Place, row: int) -> Judgement:
        parts = {name: pool[row] for name, pool in self._pools.items()}
        return Judgement(place=place, score=self._scores[row], **parts)

    def _key(self, value: Any) -> Hashable:
        """What stands for a value in a pool; of one that cannot be hashed, something of its own.

        With the type, and how it is written: 1 and True are equal, and 0.0 and -0.0, and may not be
        printed alike.
        """
        parts = (
            tuple((k, type(v), v, _written(v)) for k, v in value.items())
            if isinstance(value, dict)
            else value
        )
        try:
            hash(parts)
        except TypeError:
            return "apart", next(self._apart)
        return type(value), parts


def _written(value: Any) -> str | None:
    return repr(value) if isinstance(value, float | tuple) else None
