"""Samples that failed or were not answered from the whole, and why."""

from __future__ import annotations

from leaderboard.results.aggregate import Board
from leaderboard.results.summary import Summary
from leaderboard.runs.read import Run
from leaderboard.tables.cells import Cell, number_cell, text_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.record.failures import FAILURES, MARKS, Lacking, lacking

MOST = 10  # reasons of one run
_LONGEST = 160  # characters of one
_WORDS = {
    "answer": "failed: no answer",
    "label": "failed: no label",
    "signals": "failed: no signals",
    "regions": "failed: no regions",
    "picture": "answered, the picture is not whole",
    "question": "answered, the question is longer than the context",
}


def _of_run(run: Run, task: str) -> tuple[Lacking, ...] | None:
    records = run.of_task(task)
    return tuple(lacking(records, FAILURES) + lacking(records, MARKS)) or None


FAILED = Summary("failures", tuple[Lacking, ...], _of_run)


def failure_tables(board: Board, task: str) -> list[Table]:
    """A block per model that has any: what samples lack, why, how many."""
    blocks = []
    for run, result in board.of_task(task):
        found: tuple[Lacking, ...] = result.further.get(FAILED.key, ())
        if found:
            n = sum(own.n for own in found if own.lacks in FAILURES)
            label = text_cell(run.label).lines[0]
            title = f"{label}: {n} of {result.card.n + result.card.n_unlabelled} failed"
            blocks.append(Block(title, tuple(map(_row, found[:MOST]))))
    columns = ("what", "why", "samples", "which")
    notes = (
        "A sample that failed counts as neither right nor wrong: accuracy and AUROC are over the "
        "others, and the same command asks it again if the run is not complete.",
    )
    title = task_title("Samples that failed", task)
    return [Table(f"failures-{task}", title, columns, tuple(blocks), notes)] if blocks else []


def _row(own: Lacking) -> tuple[Cell, ...]:
    more = ["…"] if own.n > len(own.documents) else []
    return (
        text_cell(_WORDS[own.lacks]),
        text_cell(own.reason, limit=_LONGEST),
        number_cell(own.n, "{:.0f}"),
        text_cell(", ".join([*own.documents, *more]), limit=_LONGEST),
    )
