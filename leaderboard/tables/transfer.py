"""Probes fitted on one benchmark and scored on another: one matrix per run."""

from __future__ import annotations

from leaderboard.results.aggregate import Board, RunResult
from leaderboard.tables.cells import Cell, number_cell, text_cell
from leaderboard.tables.table import Block, Table

NO_SCORE = "the probe gave no score"
NOTE = (
    "AUROC of the probe fitted on the row's benchmark, scored on the column's; on the diagonal out "
    "of fold, by image."
)


def transfer_tables(board: Board, task: str) -> list[Table]:
    """Transfer matrices; they span benchmarks, so they stand with the first one they name."""
    found = [
        run
        for run, _ in board.of_task(task)
        if (run.manifest.transfer.get("tasks") or [None])[0] == task
    ]
    return [_matrix(run, task) for run in found]


def _matrix(run: RunResult, task: str) -> Table:
    tasks = run.manifest.transfer["tasks"]
    names = [text_cell(name).lines[0] for name in tasks]
    reasons = run.manifest.transfer.get("reasons") or {}
    rows: list[tuple[Cell, ...]] = [
        (
            text_cell(fitted),
            *(
                number_cell(value, reason=str(reasons.get(f"{fitted} → {scored}", NO_SCORE)))
                for scored, value in zip(tasks, values, strict=True)
            ),
        )
        for fitted, values in zip(tasks, run.manifest.transfer["auroc"], strict=True)
    ]
    title = f"Transfer of the probe, {text_cell(run.label).lines[0]}"
    columns = ("fitted on / scored on", *names)
    return Table(f"transfer-{run.label}-{task}", title, columns, (Block("", tuple(rows)),), (NOTE,))
