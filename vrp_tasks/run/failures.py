"""How many documents of a task have failed, and when that is too many."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from metrics.record.columns import values_of
from metrics.record.failures import Lacking, failure_in, lacking
from metrics.record.records import SampleRecord
from vrp_tasks.access.base import Seen
from vrp_tasks.errors import FailuresError

_FEWEST = 3  # failures never end a run where one answer at least came
_NAMED = 5  # documents, and reasons, in a line
_LONGEST = 120  # characters of a reason
WORDS = {
    "answer": "no answer",
    "label": "no label",
    "signals": "no signals",
    "regions": "no regions",
    "picture": "not the whole picture",
    "question": "a question beyond the context",
}


class Failures:
    """Of one task, on one rank, in this process: what failed before a stop is asked again.

    Parameters
    ----------
    task : str
        Its name.
    n : int
        How many documents there are.
    share : float
        More than this share of them, and `_FEWEST` at least, end the run.
    answered : int
        Documents that an earlier process answered.
    """

    def __init__(self, task: str, *, n: int, share: float, answered: int) -> None:
        self._task, self._n, self._share, self._answered = task, n, share, answered
        self._failed: list[SampleRecord] = []

    def note(self, seen: Sequence[Seen], records: Sequence[SampleRecord]) -> None:
        """Some documents have been asked and written.

        Raises
        ------
        FailuresError
            If too many have failed, or all so far; it names some of them.
        """
        new = []
        for own, record in zip(seen, records, strict=True):
            if failure_in(record.missing) is None:
                self._answered += 1
            elif not own.excused:
                new.append(record)
        if not new:
            return
        self._failed += new
        logger.warning(f"{self._task}: {_count(len(new))} failed: {named(new)}.")
        failed = len(self._failed)
        if (failed >= _FEWEST and failed > self._share * self._n) or not self._answered:
            raise FailuresError(
                f"{failed} of {self._n} documents of {self._task} failed, more than the share of "
                f"{self._share:g} that may (model argument max_failed): {named(self._failed)}."
                if self._answered
                else f"{failed} of {self._n} documents of {self._task} failed, and none was "
                f"answered: {named(self._failed)}."
            )


def _count(n: int) -> str:
    return "1 document" if n == 1 else f"{n} documents"


def named(records: Sequence[SampleRecord]) -> str:
    """Documents by what they lack and why, in a part of one line."""
    parts = [_part(own) for own in lacking(records)]
    more = [f"{len(parts) - _NAMED} more reasons"] if len(parts) > _NAMED else []
    return "; ".join([*parts[:_NAMED], *more])


def _part(own: Lacking) -> str:
    docs = ", ".join(own.documents[:_NAMED])
    more = ", …" if own.n > _NAMED else ""
    word = "document" if own.n == 1 else "documents"
    reason = own.reason if len(own.reason) <= _LONGEST else f"{own.reason[:_LONGEST]}…"
    return f"{word} {docs}{more} ({WORDS[own.lacks]}: {reason})"


def said(records: Sequence[SampleRecord]) -> str | None:
    """How many documents of a task failed and why, in a line; None if none did."""
    missing = values_of(records, "missing")
    failed = [records[i] for i, own in enumerate(missing) if failure_in(own) is not None]
    if not failed:
        return None
    n = len(records)
    return f"{len(failed)} of {n} documents failed: {named(failed)}"
