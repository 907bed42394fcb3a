"""The best signal and the free one as marks on a line, beside the sentences of a model."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.report.words import auroc_words
from leaderboard.results.arena import Entry

LEFT, RIGHT = 6.0, 194.0  # of a drawing that is 200 wide
LOWEST = 0.4  # AUROC at the left end; 1 is at the right


@dataclass(frozen=True)
class Mark:
    """A figure with its interval, laid out."""

    label: str
    x: float
    low: float
    high: float
    y: float


@dataclass(frozen=True)
class Scale:
    """The best signal and the free one beside each other."""

    marks: tuple[Mark, ...]
    chance: float
    text: str


def scale_of(best: Entry | None, free: Entry | None) -> Scale | None:
    """Lay out the two, or the one if they are the same; None where nothing has an interval."""
    found = [e for e in (best, free) if e is not None and e.figure.low is not None]
    own = [e for i, e in enumerate(found) if e not in found[:i]]
    marks = tuple(
        Mark(e.signal.label, _x(e.figure.value), _x(e.figure.low), _x(e.figure.high), 6.0 + 10 * i)
        for i, e in enumerate(own)
    )
    text = "; ".join(f"{e.signal.label}: {auroc_words(e)}" for e in own)
    return Scale(marks, _x(0.5), text) if marks else None


def _x(value: float | None) -> float:
    share = ((value or 0.0) - LOWEST) / (1 - LOWEST)
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)
