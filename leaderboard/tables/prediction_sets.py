"""Sets of candidates that hold the true one at a stated rate: the rate that was reached."""

from __future__ import annotations

from leaderboard.results.aggregate import Board
from leaderboard.tables.cells import number_cell, text_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.signals import BY_NAME

_FIGURES = ("goal", "coverage", "mean_size", "n")
_FORMS = ("{:.2f}", "{:.3f}", "{:.2f}", "{:.0f}")
NOTE = (
    "Sets are calibrated on other images (split conformal, images weigh the same), so that coverage"
    " is a figure of new images; the likeliest candidate always is in. n: questions whose reference"
    " answer is yes, no or a letter."
)


def prediction_set_tables(board: Board, task: str) -> list[Table]:
    """A block per model: coverage and mean size of its sets."""
    blocks = []
    for run, _ in board.of_task(task):
        found = run.manifest.probe.get(task, {}).get("figures", {})
        rows = tuple(
            (
                text_cell(BY_NAME[name].label),
                *(
                    number_cell(own.get(key), form, reason="not recorded")
                    for key, form in zip(_FIGURES, _FORMS, strict=True)
                ),
            )
            for name, own in found.items()
            if name in BY_NAME and "coverage" in own
        )
        blocks += [Block(text_cell(run.label).lines[0], rows)] if rows else []
    columns = ("signal", "promised", "coverage reached", "mean size", "n")
    title = task_title("Prediction sets", task)
    key = f"prediction-sets-{task}"
    return [Table(key, title, columns, tuple(blocks), (NOTE,))] if blocks else []
