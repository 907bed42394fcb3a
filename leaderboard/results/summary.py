"""What a part of the report computes of each run, beside what every run is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from leaderboard.runs.read import Run


@dataclass(frozen=True)
class Summary:
    """Data of a part's own.

    It is computed once per run, kept in the cache, handed to the part's tables as
    ``result.further[key]``, and written to the JSON under its key.

    Attributes
    ----------
    key
        Its name, unlike any other's.
    kind
        Its type: what `leaderboard.results.codec` can store, for instance a frozen dataclass.
    of
        A run and the name of one of its tasks -> the data, or None where the run has none.
    """

    key: str
    kind: type
    of: Callable[[Run, str], Any | None]


Summaries = Iterable[Summary]


def summarised(summaries: Summaries, run: Run, task: str) -> dict[str, Any]:
    """Data of each summary that the run has any of."""
    found = {summary.key: summary.of(run, task) for summary in summaries}
    return {key: data for key, data in found.items() if data is not None}
