"""Which tables there are, in which order: of a whole build, and of one run."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboard.report.parts import PARTS
from leaderboard.results.aggregate import Board
from leaderboard.tables.arena import pooled_tables
from leaderboard.tables.model_ranks import MODEL_RANKS
from leaderboard.tables.overview import overview_table
from leaderboard.tables.published import published_table
from leaderboard.tables.signals import run_table, signals_table
from leaderboard.tables.table import Table, transposed

FEW = 4


def all_tables(board: Board, *, published: bool = False) -> list[Table]:
    """Overview, detectors over all benchmarks, then each benchmark: its signals and every part.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add the published figures: beside the detectors, and `published_table`.

    Returns
    -------
    list of Table
    """
    tables = [overview_table(board), *pooled_tables(board, published=published)]
    for task in board.tasks:
        tables += [signals_table(board, task), *_parts(board, task)]
    return [*tables, published_table()] if published else tables


def terminal_tables(board: Board, *, published: bool = False) -> list[Table]:
    """What a build prints: the overview, and how models rank where they are compared.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add `published_table`.

    Returns
    -------
    list of Table
        With few runs the overview stands on its side, its runs beside each other.
    """
    tables = all_tables(board, published=published)
    few = len(tables[0].blocks[0].rows) <= FEW
    compared = [table for table in tables if table.key.startswith(MODEL_RANKS)]
    tail = [published_table()] if published else []
    pooled = pooled_tables(board, published=published)
    return [transposed(tables[0]) if few else tables[0], *pooled, *compared, *tail]


def card_tables(board: Board) -> list[Table]:
    """Every run's full card on every benchmark: its signals, then each part for it alone.

    Parameters
    ----------
    board : Board
        The runs to show.

    Returns
    -------
    list of Table
    """
    tables: list[Table] = []
    for run in board.runs:
        for result in run.tasks:
            tables.append(run_table(run, result))
            tables += _parts(Board((run,)), result.task)
    return tables


def _parts(board: Board, task: str) -> Iterator[Table]:
    for part in PARTS:
        yield from part.tables(board, task)
