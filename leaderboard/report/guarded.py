"""A run whose content cannot be shown is listed with the reason; the others are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from leaderboard.errors import LeaderboardError
from leaderboard.results.aggregate import Board, RunResult
from leaderboard.runs.read import UNEXPECTED, Problem, unexpected

T = TypeVar("T")


def guarded(board: Board, render: Callable[[Board], T]) -> tuple[Board, T]:
    """Render all runs, or those of them that can be.

    Parameters
    ----------
    board : Board
        All results.
    render : callable
        Shows a board.

    Returns
    -------
    Board, rendered
        The board that was shown: what cannot be is among its problems.

    Raises
    ------
    LeaderboardError
        If no run can be shown, or each can be and all together cannot.
    """
    try:
        return board, render(board)
    except UNEXPECTED as error:
        first = error
    bad = {run.path: why for run in board.runs if (why := _complaint(board, run, render))}
    kept = tuple(run for run in board.runs if run.path not in bad)
    if not bad or not kept:
        raise LeaderboardError(f"no run can be shown: {unexpected(first)}") from first
    problems = tuple(Problem(path, "damaged", why) for path, why in bad.items())
    shown = replace(board, runs=kept, problems=board.problems + problems)
    return shown, render(shown)


def _complaint(board: Board, run: RunResult, render: Callable[[Board], object]) -> str | None:
    """Why a run cannot be shown even alone."""
    try:
        render(replace(board, runs=(run,), problems=()))
    except UNEXPECTED as error:
        return unexpected(error)
    return None
