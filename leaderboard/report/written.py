"""All files of a build, written into a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from leaderboard.figures.robustness import write_figures
from leaderboard.report.answer import answer_texts
from leaderboard.report.contents import all_tables, card_tables, terminal_tables
from leaderboard.report.export import to_csv, to_json
from leaderboard.report.html import to_html
from leaderboard.results.aggregate import Board
from leaderboard.tables.formats import to_latex, to_markdown, to_terminal
from leaderboard.tables.table import Table
from leaderboard.tables.text import clean, escape_markdown


def write_all(published: bool, scratch: Path, board: Board) -> Path:
    """Write all that ``build`` writes into a new folder."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    tables = all_tables(board, published=published)
    said = "".join(f"- {escape_markdown(line)}\n" for line in answer_texts(board))
    markdown = f"# Leaderboard\n\n{said}\n" + "\n".join(map(to_markdown, tables))
    if board.problems:
        markdown += "\n## Not in the tables\n\n"
        markdown += "".join(f"- {escape_markdown(clean(p))}\n" for p in board.problems)
    contents = {
        "leaderboard.md": markdown,
        "leaderboard.csv": to_csv(board),
        "leaderboard.json": to_json(board, published=published),
        "leaderboard.tex": "\n".join(to_latex(table) for table in tables),
        "report.html": to_html(board, published=published),
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    write_figures(board, folder)
    for table in terminal_tables(board, published=published):
        to_terminal(table)
    return folder


def shown_cards(board: Board) -> list[Table]:
    """Tables of cards, each of which can be printed."""
    tables = card_tables(board)
    for table in tables:
        to_terminal(table)
    return tables
