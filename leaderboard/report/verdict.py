"""What a build comes to: a line for each model and benchmark."""

from __future__ import annotations

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import text_cell
from leaderboard.tables.worth import winners

MOST_LINES = 20
MOST_NAMED = 5


def verdict_lines(board: Board) -> list[str]:
    """Which signals beat every control, of each run on each benchmark, in as many lines as fit.

    Parameters
    ----------
    board : Board
        All results.

    Returns
    -------
    list of str
        At most `MOST_LINES`, and one that counts the rest.
    """
    pairs = [(run, result) for task in board.tasks for run, result in board.of_task(task)]
    lines = [_line(run, result) for run, result in pairs[:MOST_LINES]]
    more = len(pairs) - len(lines)
    return [*lines, f"… and {more} more, in the overview"] if more > 0 else lines


def _line(run: RunResult, result: TaskResult) -> str:
    where = " on ".join(text_cell(name).lines[0] for name in (run.label, result.task))
    found = winners(run, result)
    if found is None:
        return f"{where}: no signal has data enough to be compared with controls"
    best, n = found
    if not best:
        return f"{where}: none of {n} signals is shown to beat every control"
    names = [text_cell(signal.label).lines[0] for signal in best[:MOST_NAMED]]
    more = [f"{len(best) - MOST_NAMED} more"] if len(best) > MOST_NAMED else []
    return f"{where}: {len(best)} of {n} signals beat every control: {', '.join([*names, *more])}"
