"""Tables as text: for a terminal, as Markdown and as LaTeX. One escape function per format."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable

from tabulate import MIN_PADDING, SEPARATING_LINE, tabulate

from leaderboard.tables.cells import Cell
from leaderboard.tables.table import Block, Table
from leaderboard.tables.text import escape_latex, escape_markdown

TERMINAL_CELL = 30
NOTE_WIDTH = 100
BETWEEN = 2  # spaces between columns


class Footnotes:
    """Numbers the notes of one table: equal notes share a number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def numbers_of(self, cell: Cell) -> tuple[int, ...]:
        """Numbers of the cell's notes, each once."""
        numbers = [self.numbers.setdefault(note, len(self.numbers) + 1) for note in cell.notes]
        return tuple(dict.fromkeys(numbers))

    def mark(self, cell: Cell) -> str:
        """Marks to put behind the cell's value, with a leading space, or nothing."""
        numbers = self.numbers_of(cell)
        return f" ({', '.join(map(str, numbers))})" if numbers else ""

    def lines(self) -> list[str]:
        """The notes, in order of number."""
        return [f"({number}) {note}" for note, number in self.numbers.items()]


def mark_cells(block: Block, notes: Footnotes) -> list[list[list[str]]]:
    """Rows of cells of lines, with the footnote marks at each cell's last line."""
    rows = []
    for row in block.rows:
        marked = [[*cell.lines[:-1], cell.lines[-1] + notes.mark(cell)] for cell in row]
        rows.append(marked)
    return rows


def terminal_width() -> int:
    """Columns of the terminal; 100 where the output goes elsewhere and ``COLUMNS`` is not set."""
    return shutil.get_terminal_size((NOTE_WIDTH, 24)).columns


def to_terminal(table: Table, width: int | None = None) -> str:
    """Table for a terminal: cells of several lines, blocks set apart by their title.

    Parameters
    ----------
    table : Table
        Any table of `leaderboard.tables.table`.
    width : int, optional
        Columns of the terminal: a wider table is written in parts below each other, each with the
        first column. By default a table is as wide as it is.

    Returns
    -------
    str
        Without a trailing line end.
    """
    notes = Footnotes()
    widest = TERMINAL_CELL if width is None else max(8, min(TERMINAL_CELL, width // 2 - BETWEEN))
    rows: list[list[str] | str] = []
    for block in table.blocks:
        rows += [SEPARATING_LINE] if rows else []
        if block.title:
            rows.append([_wrap(block.title.upper(), widest), *[""] * (len(table.columns) - 1)])
        for row in mark_cells(block, notes):
            rows.append(["\n".join(_wrap(line, widest) for line in lines) for lines in row])
    columns = [_wrap(column, widest) for column in table.columns]
    parts = [
        tabulate(
            [row if isinstance(row, str) else [row[i] for i in part] for row in rows],
            headers=[columns[i] for i in part],
            tablefmt="simple",
            disable_numparse=True,
        )
        for part in _parts_of(columns, rows, width)
    ]
    foot = [_fill(line, width) for line in (*table.notes, *notes.lines())]
    return "\n".join([_fill(table.title, width), "", "\n\n".join(parts), "", *foot])


def to_markdown(table: Table) -> str:
    """Table as GitHub Markdown; text is escaped, a cell's lines are joined by ``<br>``.

    Parameters
    ----------
    table : Table
        Any table of `leaderboard.tables.table`.

    Returns
    -------
    str
        With a heading of level 2 and a trailing line end.
    """
    notes = Footnotes()
    lines = [f"## {escape_markdown(table.title)}", ""]
    lines.append(_markdown_row([escape_markdown(column) for column in table.columns]))
    lines.append(_markdown_row(["---"] * len(table.columns)))
    for block in table.blocks:
        if block.title:
            title = f"*{escape_markdown(block.title)}*"
            lines.append(_markdown_row([title, *[""] * (len(table.columns) - 1)]))
        for row in mark_cells(block, notes):
            lines.append(_markdown_row([_join(cell, "<br>", escape_markdown) for cell in row]))
    lines.append("")
    for line in (*table.notes, *notes.lines()):
        lines += [escape_markdown(line), ""]
    return "\n".join(lines)


def to_latex(table: Table) -> str:
    """Table as LaTeX (packages booktabs and makecell); text is escaped.

    Parameters
    ----------
    table : Table
        Any table of `leaderboard.tables.table`.

    Returns
    -------
    str
        A ``table`` environment.
    """
    notes = Footnotes()
    rows: list[str] = []
    for block in table.blocks:
        rows += [r"\midrule"] if rows else []
        if block.title:
            title = rf"\textit{{{escape_latex(block.title)}}}"
            rows.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{{title}}} \\")
        for row in mark_cells(block, notes):
            rows.append(" & ".join(_latex_cell(cell) for cell in row) + r" \\")
    foot = [escape_latex(line) + r"\par" for line in (*table.notes, *notes.lines())]
    head = " & ".join(rf"\textbf{{{escape_latex(column)}}}" for column in table.columns)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape_latex(table.title)}}}",
            r"\small",
            rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\footnotesize",
            *foot,
            r"\end{table}",
            "",
        ]
    )


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _join(lines: list[str], separator: str, escape: Callable[[str], str]) -> str:
    return separator.join(escape(line) for line in lines)


def _latex_cell(lines: list[str]) -> str:
    text = _join(lines, r" \\ ", escape_latex)
    return rf"\makecell[l]{{{text}}}" if len(lines) > 1 else text


def _parts_of(
    columns: list[str], rows: list[list[str] | str], width: int | None
) -> list[list[int]]:
    """Numbers of the columns that stand beside each other; the first is in every part."""
    every = list(range(len(columns)))
    if width is None:
        return [every]
    heads = [f"{line}{' ' * MIN_PADDING}" for line in columns]  # as tabulate writes them
    lists = [heads, *(row for row in rows if not isinstance(row, str))]
    widths = [max(len(line) for row in lists for line in row[i].split("\n")) for i in every]
    parts = [[0]]
    for i in every[1:]:
        beside = parts[-1]
        if len(beside) > 1 and sum(widths[j] + BETWEEN for j in beside) + widths[i] > width:
            parts.append(beside := [0])
        beside.append(i)
    return parts


def _wrap(line: str, width: int) -> str:
    return "\n".join(textwrap.wrap(line, width)) or ""


def _fill(line: str, width: int | None) -> str:
    return textwrap.fill(line, min(NOTE_WIDTH, width or NOTE_WIDTH), subsequent_indent="    ")
