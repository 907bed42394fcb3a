"""How attention sharpens and diffuses through the layers, and how much clusters hang on choices."""

from __future__ import annotations

from typing import Any

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.profiles import ENTROPY
from leaderboard.tables.cells import Cell, number_cell, text_cell, undefined_cell
from leaderboard.tables.lens import mean_curve
from leaderboard.tables.table import Block, Table, task_title
from metrics.maps.attention import entropy_evolution

MIN_DROP = 0.02
NOTE = (
    "H_s / ln S of each layer's map, mean over samples, so 1 is uniform; layers from 0. Lock: "
    "the steepest fall in the first third of the layers. Final diffusion: change at the last one. "
    f"Re-sharpenings: later falls of {MIN_DROP} or more in all."
)
GRID_NOTE = (
    "AUROC of fewer clusters meaning right, for each radius (in cells) and share of cells that is "
    "clustered; the signal −C_k is the cell 1.5, 10 %. A screen without intervals: no cell alone "
    "means anything."
)


def evolution_tables(board: Board, task: str) -> list[Table]:
    """Descriptors of the mean entropy curve, and the cluster grid of runs that scored one."""
    rows = tuple(
        (text_cell(run.label), *_row(result))
        for run, result in board.of_task(task)
        if mean_curve(result, ENTROPY) is not None
    )
    columns = (
        "model",
        "first layer",
        "last layer",
        "lock at layer",
        "lock depth",
        "final diffusion",
        "re-sharpenings",
    )
    title = task_title("Attention through the layers", task)
    tables = [Table(f"evolution-{task}", title, columns, (Block("", rows),), (NOTE,))]
    grids = [
        _grid_table(run, task, grid)
        for run, _ in board.of_task(task)
        if isinstance(grid := run.manifest.probe.get(task, {}).get("cluster_grid"), dict)
    ]
    return [*(tables if rows else []), *grids]


def _row(result: TaskResult) -> tuple[Cell, ...]:
    curve = mean_curve(result, ENTROPY)
    assert curve is not None
    try:
        found = entropy_evolution(curve, min_drop=MIN_DROP)
    except ValueError as undefined:  # of values that no model has, too
        return (undefined_cell(str(undefined)), *[Cell(("",))] * 5)
    no_lock = undefined_cell("no layer of the first third sharpens")
    return (
        number_cell(float(curve[0]), "{:.3f}"),
        number_cell(float(curve[-1]), "{:.3f}"),
        no_lock if found.lock_layer is None else number_cell(found.lock_layer, "{:.0f}"),
        no_lock if found.lock_depth is None else number_cell(found.lock_depth, "{:+.3f}"),
        number_cell(found.final_diffusion, "{:+.3f}"),
        number_cell(found.n_resharpenings, "{:.0f}"),
    )


def _grid_table(run: RunResult, task: str, grid: dict[str, Any]) -> Table:
    columns = ("radius", *(f"{share:.0%} of the cells" for share in grid["shares"]))
    rows = tuple(
        (
            number_cell(eps, "{:g}"),
            *(
                undefined_cell("one class, or the same count everywhere")
                if value is None
                else number_cell(value, "{:.3f}")
                for value in row
            ),
        )
        for eps, row in zip(grid["epsilons"], grid["auroc"], strict=True)
    )
    title = task_title(f"Cluster count of {text_cell(run.label).lines[0]}, n {grid['n']},", task)
    key = f"clusters-{run.label}-{task}"
    return Table(key, title, columns, (Block("", rows),), (GRID_NOTE,))
