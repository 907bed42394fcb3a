"""What the papers printed, as a table that says so."""

from __future__ import annotations

from leaderboard.results.published import FIGURES, MODELS, POOLED, SOURCE
from leaderboard.tables.cells import text_cell
from leaderboard.tables.table import Block, Table


def published_table() -> Table:
    """Published figures, as printed by their authors; not measured by us."""
    rows = tuple(
        (text_cell(figure.quantity), *(text_cell(v, limit=200) for v in figure.values))
        for figure in FIGURES
    )
    title = "Published figures (not measured here)"
    return Table("published", title, ("quantity", *MODELS), (Block("", rows),), (SOURCE, POOLED))
