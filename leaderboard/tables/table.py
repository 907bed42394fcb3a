"""A table without a format: what is compared, and where. `leaderboard.tables.formats` writes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leaderboard.tables.cells import Cell, text_cell

FITTED = "†"
ACCESS_TITLES = {
    "deployable": f"deployable (without the true answer; {FITTED}: fitted on labels)",
    "oracle": "oracle (needs the true answer)",
    "control": "control (a bar, not a signal)",
}
NOT_RECORDED = "not recorded in this run"
READING = (
    "AUROC of “correct”, 95 % t interval over images (logit scale); 0.5 is chance, higher is "
    "better. Accuracy: Wilson interval at the effective sample size. Error AP, areas under the "
    "risk curve and PRR: jackknife over images."
)
IN_KIND = (
    "“in kind”: pairs of right and wrong answers to the same kind of question only; the figure "
    "above it is inflated wherever kinds differ in difficulty."
)
SCREEN = (
    "p: of AUROC {within}1/2, two-sided t test over images, Benjamini-Hochberg over all deployable "
    "signals and benchmarks of the run."
)
COPIES = "“=”: the same order of all answers under another name; ranked and tested as one."


@dataclass(frozen=True)
class Block:
    """Rows under one heading; rows of different blocks are never ranked together."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table without a format. ``key`` is unique within a report."""

    key: str
    title: str
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()


def task_title(what: str, task: str) -> str:
    """Title of a table about one benchmark."""
    return f"{what} on {text_cell(task).lines[0]}"


def transposed(table: Table) -> Table:
    """The table with one column per row, for few rows of many columns.

    Parameters
    ----------
    table : Table
        With one block; its first column becomes the head.

    Returns
    -------
    Table
    """
    (block,) = table.blocks
    columns = (table.columns[0], *(row[0].lines[0] for row in block.rows))
    rows = [
        (text_cell(name), *(row[index] for row in block.rows))
        for index, name in enumerate(table.columns)
    ]
    return replace(table, columns=columns, blocks=(Block("", tuple(rows[1:])),))
