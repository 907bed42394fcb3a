"""The report: one HTML file without network, every text from a run escaped by Jinja.

The script and the style are part of the file; a content security policy admits that one script by
its hash and nothing else, so that no text from a model or data set can run even if it slipped by.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from leaderboard.aggregate import Board
from leaderboard.cells import Cell
from leaderboard.formats import Footnotes
from leaderboard.plots import LEFT, RIGHT, WIDTH, Forest, Profile, forest, profile
from leaderboard.samples import Showcase
from leaderboard.tables import Table, all_tables, run_table
from leaderboard.text import clean

MAX_CARD_RUNS = 30


@dataclass(frozen=True)
class HtmlCell:
    """A cell with its footnote marks."""

    lines: tuple[str, ...]
    mark: str
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


@dataclass(frozen=True)
class Section:
    """What the report shows of one benchmark."""

    task: str
    table: HtmlTable
    forest: Forest | None
    profiles: tuple[Profile, ...]
    cards: tuple[HtmlTable, ...]
    showcases: tuple[tuple[str, Showcase], ...]


def to_html(board: Board, *, published: bool = False) -> str:
    """Build the report.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add the published figures.

    Returns
    -------
    str
        One self-contained HTML document.
    """
    overview, *rest = all_tables(board, published=published)
    sections = [
        _section(board, task, table, number)
        for number, (task, table) in enumerate(zip(board.tasks, rest, strict=False))
    ]
    environment = Environment(
        loader=PackageLoader("leaderboard"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["clean"] = clean
    script = environment.get_template("report.js").render()
    return environment.get_template("report.html.j2").render(
        overview=_html_table(overview, "overview"),
        sections=sections,
        published=_html_table(rest[-1], "published") if published else None,
        problems=[clean(problem) for problem in board.problems],
        runs=board.runs,
        width=WIDTH,
        left=LEFT,
        right=RIGHT,
        script_hash=script_hash(script),
    )


def script_hash(script: str) -> str:
    """Hash of the inline script for the content security policy, base64."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _section(board: Board, task: str, table: Table, number: int) -> Section:
    pairs = board.of_task(task)
    profiles = tuple(
        profile(clean(f"{run.label}: {source.label}", limit=120), source)
        for run, result in pairs
        for source in result.profiles
    )
    cards = tuple(
        _html_table(run_table(run, result), f"card-{number}-{index}")
        for index, (run, result) in enumerate(pairs[:MAX_CARD_RUNS])
    )
    showcases = tuple(
        (run.label, result.showcase) for run, result in pairs if result.showcase is not None
    )
    signals = _html_table(table, f"signals-{number}")
    plot = forest(board, task)
    shown = plot if any(row.marks for row in plot.rows) else None
    return Section(task, signals, shown, profiles, cards, showcases)


def _html_table(table: Table, table_id: str) -> HtmlTable:
    notes = Footnotes()
    blocks = tuple(
        (block.title, tuple(_html_row(row, notes) for row in block.rows)) for block in table.blocks
    )
    foot = (*table.notes, *notes.lines())
    return HtmlTable(table_id, table.title, table.columns, blocks, foot)


def _html_row(row: Sequence[Cell], notes: Footnotes) -> tuple[HtmlCell, ...]:
    return tuple(HtmlCell(c.lines, notes.mark(c).strip(), c.sort, c.state) for c in row)
