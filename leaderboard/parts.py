"""Further parts of a benchmark's section: each is a heading with its tables and charts.

A new kind of result gets its place in the report by one line in `PARTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard.aggregate import Board
from leaderboard.charts import Chart
from leaderboard.tables import Table


@dataclass(frozen=True)
class Part:
    """What the report says about one kind of result.

    Attributes
    ----------
    title
        Heading.
    tables, charts
        Of a board and the name of one of its benchmarks; both empty where no run has such results,
        and then the heading is left out too.
    """

    title: str
    tables: Callable[[Board, str], Sequence[Table]]
    charts: Callable[[Board, str], Sequence[Chart]]


PARTS: tuple[Part, ...] = ()
