"""Every answer of a run, or 500 of them, as a list to look through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.results.summary import Summary
from leaderboard.runs.read import Run
from metrics.record.records import SampleRecord
from metrics.signals import FREE, SIGNALS

MOST = 500
PROMPT, ANSWER = 200, 80  # characters kept
NAMES = tuple(s.name for s in SIGNALS if s.headline or s.name == FREE)


@dataclass(frozen=True)
class Listed:
    """One answer; text is as stored, cut, and not yet cleaned. ``values`` are of `NAMES`."""

    doc_id: str
    kind: str
    prompt: str
    answer: str
    target: str | None
    correct: int | None
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Listing:
    """Answers evenly over the stored order, of ``n`` in all."""

    n: int
    answers: tuple[Listed, ...]


def evenly(n: int, most: int) -> list[int]:
    """Numbers of at most so many rows, evenly over all."""
    return list(range(n)) if n <= most else [i * n // most for i in range(most)]


def _listing(run: Run, task: str) -> Listing | None:
    records: Sequence[SampleRecord] = run.of_task(task)
    chosen = [records[i] for i in evenly(len(records), MOST)]
    return Listing(len(records), tuple(map(_listed, chosen))) if chosen else None


def _listed(record: SampleRecord) -> Listed:
    return Listed(
        record.doc_id,
        record.kind,
        record.prompt[:PROMPT],
        record.answer[:ANSWER],
        None if record.target is None else record.target[:ANSWER],
        record.correct,
        tuple(record.signals.get(name) for name in NAMES),
    )


LISTING = Summary("listing", Listing, _listing)
