"""What stands in a benchmark's section of the report, with ids that are unique in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.figures.charts import Chart
from leaderboard.figures.curves import model_charts, run_charts
from leaderboard.figures.galleries import GalleryView, gallery_view
from leaderboard.figures.plots import Forest, forest
from leaderboard.report.browser import Album, Shelf, shelf_of
from leaderboard.report.listings import ListingView, listing_of
from leaderboard.report.parts import PARTS
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import Cell
from leaderboard.tables.formats import Footnotes
from leaderboard.tables.signals import run_table
from leaderboard.tables.table import Table

MAX_RUNS = 30


@dataclass(frozen=True)
class HtmlCell:
    """A cell with the numbers of its footnotes."""

    lines: tuple[str, ...]
    marks: tuple[int, ...]
    sort: float | None
    state: str


@dataclass(frozen=True)
class HtmlTable:
    """A table with its footnotes numbered."""

    id: str
    title: str
    columns: tuple[str, ...]
    blocks: tuple[tuple[str, tuple[tuple[HtmlCell, ...], ...]], ...]
    notes: tuple[str, ...]
    footnotes: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Rows in all blocks."""
        return sum(len(rows) for _, rows in self.blocks)


@dataclass(frozen=True)
class HtmlPart:
    """One of `leaderboard.report.parts.PARTS` as far as there are results."""

    title: str
    tables: tuple[HtmlTable, ...]
    charts: tuple[Chart, ...]
    galleries: tuple[GalleryView, ...]


@dataclass(frozen=True)
class RunView:
    """One run on the benchmark: its card, its curves, and samples worth a look."""

    id: str
    label: str
    card: HtmlTable
    charts: tuple[Chart, ...]
    shelf: Shelf | None
    listing: ListingView | None


@dataclass(frozen=True)
class Section:
    """What the report shows of one benchmark."""

    id: str
    task: str
    table: HtmlTable
    forest: Forest | None
    more_forest: Forest | None
    comparisons: tuple[Chart, ...]
    parts: tuple[HtmlPart, ...]
    runs: tuple[RunView, ...]
    n_left_out: int


def section_of(board: Board, task: str, table: Table, number: int, album: Album) -> Section:
    """Collect one benchmark's section.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.
    table : Table
        Its signals.
    number : int
        Makes the ids unique in the report.
    album : Album
        Pictures that the report holds.

    Returns
    -------
    Section
    """
    pairs = board.of_task(task)
    plot, more = forest(board, task), forest(board, task, rest=True)
    n_lists = sum(min(len(board.of_task(name)), MAX_RUNS) for name in board.tasks)
    return Section(
        id=f"task-{number}",
        task=task,
        table=html_table(table, f"signals-{number}"),
        forest=plot if any(row.marks for row in plot.rows) else None,
        more_forest=more if any(row.marks for row in more.rows) else None,
        comparisons=model_charts(pairs),
        parts=_parts(board, task, number, album),
        runs=tuple(
            _run_view(run, result, f"run-{number}-{index}", album, n_lists)
            for index, (run, result) in enumerate(pairs[:MAX_RUNS])
        ),
        n_left_out=max(0, len(pairs) - MAX_RUNS),
    )


def html_table(table: Table, table_id: str) -> HtmlTable:
    """Number a table's footnotes."""
    notes = Footnotes()
    blocks = tuple(
        (block.title, tuple(_html_row(row, notes) for row in block.rows)) for block in table.blocks
    )
    return HtmlTable(
        table_id, table.title, table.columns, blocks, table.notes, tuple(notes.numbers)
    )


def _html_row(row: Sequence[Cell], notes: Footnotes) -> tuple[HtmlCell, ...]:
    return tuple(HtmlCell(c.lines, notes.numbers_of(c), c.sort, c.state) for c in row)


def _parts(board: Board, task: str, number: int, album: Album) -> tuple[HtmlPart, ...]:
    parts = []
    for index, part in enumerate(PARTS):
        tables = tuple(
            html_table(table, f"part-{number}-{index}-{position}")
            for position, table in enumerate(part.tables(board, task))
        )
        charts = tuple(part.charts(board, task))
        found = part.galleries(board, task)
        galleries = tuple(gallery_view(gallery, album.ids) for gallery in found)
        if tables or charts or galleries:
            parts.append(HtmlPart(part.title, tables, charts, galleries))
    return tuple(parts)


def _run_view(
    run: RunResult, result: TaskResult, view_id: str, album: Album, n_lists: int
) -> RunView:
    return RunView(
        id=view_id,
        label=run.label,
        card=html_table(run_table(run, result), f"card-{view_id}"),
        charts=run_charts(run, result),
        shelf=None if result.showcase is None else shelf_of(run.label, result.showcase, album),
        listing=listing_of(run, result, n_lists),
    )
