"""Ranks of signals per model and of models per benchmark, as intervals; ties are shown as ties."""

from __future__ import annotations

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.ranking import Ranking
from leaderboard.tables.cells import Cell, text_cell, undefined_cell
from leaderboard.tables.copies import name_cell, rows_of
from leaderboard.tables.model_ranks import model_rank_tables
from leaderboard.tables.rank_text import (
    METHOD,
    format_rank,
    middle_of,
    ranking_in,
    why_unranked,
)
from leaderboard.tables.table import COPIES, Block, Table, task_title
from leaderboard.tables.text import clean
from metrics.card.card import SignalResult

SIGNALS = "Deployable signals by {figure}, on the samples that all of them have."


def rank_tables(board: Board, task: str) -> list[Table]:
    """Ranks of signals, and of models where there are several."""
    pairs = [(run, result) for run, result in board.of_task(task) if result.ranking is not None]
    tables = [_signal_ranks(pairs, task)] if any(ranking_in(r).signals for _, r in pairs) else []
    return [*tables, *model_rank_tables(pairs, task)]


def rank_cell(ranking: Ranking | None, signal: SignalResult) -> Cell:
    """Ranks of one signal of a run; empty for what is never ranked."""
    if ranking is None or signal.access != "deployable":
        return Cell(("",))
    return _signal_cell(ranking, signal.name)


def _signal_ranks(pairs: list[tuple[RunResult, TaskResult]], task: str) -> Table:
    mixed = any(result.is_mixed for _, result in pairs)
    labels = {s.name: s.label for _, result in pairs for s in result.card.signals}
    ranked = dict.fromkeys(s.name for _, result in pairs for s in ranking_in(result).signals)
    copies = rows_of([result.card for _, result in pairs])
    rows = [
        (
            name_cell(labels[name], [labels[copy] for copy in copies.get(name, ())]),
            *(_signal_cell(ranking_in(result), name) for _, result in pairs),
        )
        for name in ranked
    ]
    rows.sort(key=_mean_rank)
    columns = ("signal", *(text_cell(run.label).lines[0] for run, _ in pairs))
    figure = "AUROC in kind" if mixed else "AUROC"
    notes = (SIGNALS.format(figure=figure), *_left_out(pairs, labels), COPIES, METHOD)
    title = task_title("Ranks of signals", task)
    return Table(f"ranks-signals-{task}", title, columns, (Block("", tuple(rows)),), notes)


def _left_out(pairs: list[tuple[RunResult, TaskResult]], labels: dict[str, str]) -> list[str]:
    """A line for each model of which signals that it was offered have no rank."""
    lines = []
    for run, result in pairs:
        left = [
            f"{labels.get(name, name)} ({why})"
            for name, why in ranking_in(result).left_out
            if not why.startswith("not offered")
        ]
        if left:
            lines.append(clean(f"Not ranked, of {run.label}: {'; '.join(left)}."))
    return lines


def _signal_cell(ranking: Ranking, name: str) -> Cell:
    rank = ranking.rank_of(name)
    if rank is None:
        return undefined_cell(why_unranked(ranking, name))
    return Cell((f"{format_rank(rank)} of {len(ranking.signals)}",), middle_of(rank))


def _mean_rank(row: tuple[Cell, ...]) -> float:
    middles = [cell.sort for cell in row[1:] if cell.sort is not None]
    return sum(middles) / len(middles)
