"""Ranks of signals per model and of models per benchmark, as intervals; ties are shown as ties."""

from __future__ import annotations

import hashlib

import numpy as np

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.ranking import ACCURACY, Ranking, Replicates
from leaderboard.tables.cells import Cell, text_cell, undefined_cell
from leaderboard.tables.copies import name_cell, rows_of
from leaderboard.tables.table import COPIES, NOT_RECORDED, Block, Table, task_title
from metrics.card.card import SignalResult
from metrics.errors import UndefinedMetricError
from metrics.scores.ranks import RankInterval, rank_intervals
from metrics.signals import BY_NAME

MODEL_RANKS = "ranks-models-"
METHOD = (
    "A rank is an interval: 1 + the number of those that are higher beyond doubt, to m less the "
    "number that are lower beyond doubt. Beyond doubt: paired difference on joint resamples over "
    "images, Holm-adjusted over all pairs; all intervals hold at once with 95 %. Overlapping "
    "intervals are ties."
)
SIGNALS = "Deployable signals by {figure}, on the samples that all of them have."
MODELS = (
    "Models on the same samples are compared pairwise, on different ones as independent. Below 30 "
    "of either class there is no rank."
)


def rank_tables(board: Board, task: str) -> list[Table]:
    """Ranks of signals, and of models where there are several."""
    pairs = [(run, result) for run, result in board.of_task(task) if result.ranking is not None]
    tables = [_signal_ranks(pairs, task)] if any(_ranking(r).signals for _, r in pairs) else []
    return [*tables, *([_model_ranks(pairs, task)] if len(pairs) > 1 else [])]


def rank_cell(ranking: Ranking | None, signal: SignalResult) -> Cell:
    """Ranks of one signal of a run; empty for what is never ranked."""
    if ranking is None or signal.access != "deployable":
        return Cell(("",))
    return _signal_cell(ranking, signal.name)


def format_rank(rank: RankInterval) -> str:
    """``3`` or ``3–7``."""
    return str(rank.low) if rank.low == rank.high else f"{rank.low}–{rank.high}"


def model_ranks(
    pairs: list[tuple[RunResult, TaskResult]], figure: str
) -> list[tuple[float, RankInterval] | str]:
    """Value and ranks of each run by one figure, or why it has none.

    Parameters
    ----------
    pairs : list of (RunResult, TaskResult)
        Of one benchmark, each with a ranking.
    figure : str
        ``accuracy``, or a headline signal's name.

    Returns
    -------
    list
        In the order given; a text is the reason.
    """
    rankings = [_ranking(result) for _, result in pairs]
    found = [next((f for f in r.figures if f.name == figure), None) for r in rankings]
    kept = [(i, own) for i, own in enumerate(found) if own is not None]
    shown: list[tuple[float, RankInterval] | str] = [_reason(r, figure) for r in rankings]
    if not kept:
        return shown
    drawn = [_paired(own, rankings[i].samples, rankings[kept[0][0]].samples) for i, own in kept]
    try:
        ranks = rank_intervals([own.value for _, own in kept], drawn)
    except UndefinedMetricError as undefined:
        return [str(undefined)] * len(pairs)
    for (i, own), rank in zip(kept, ranks, strict=True):
        shown[i] = (own.value, rank)
    return shown


def _paired(figure: Replicates, samples: str, reference: str) -> np.ndarray:
    """Replicates in an order of their own where the samples differ: nothing is paired then."""
    drawn = np.array(figure.drawn)
    if samples == reference:
        return drawn
    seed = list(hashlib.sha256(samples.encode()).digest()[:8])
    return np.random.default_rng(seed).permutation(drawn)


def _ranking(result: TaskResult) -> Ranking:
    assert result.ranking is not None
    return result.ranking


def _reason(ranking: Ranking, figure: str) -> str:
    return dict(ranking.left_out).get(figure) or ranking.reason or NOT_RECORDED


def _signal_ranks(pairs: list[tuple[RunResult, TaskResult]], task: str) -> Table:
    mixed = any(result.is_mixed for _, result in pairs)
    labels = {s.name: s.label for _, result in pairs for s in result.card.signals}
    ranked = dict.fromkeys(s.name for _, result in pairs for s in _ranking(result).signals)
    copies = rows_of([result.card for _, result in pairs])
    rows = [
        (
            name_cell(labels[name], [labels[copy] for copy in copies.get(name, ())]),
            *(_signal_cell(_ranking(result), name) for _, result in pairs),
        )
        for name in ranked
    ]
    rows.sort(key=_mean_rank)
    columns = ("signal", *(text_cell(run.label).lines[0] for run, _ in pairs))
    figure = "AUROC in kind" if mixed else "AUROC"
    notes = (SIGNALS.format(figure=figure), COPIES, METHOD)
    title = task_title("Ranks of signals", task)
    return Table(f"ranks-signals-{task}", title, columns, (Block("", tuple(rows)),), notes)


def _signal_cell(ranking: Ranking, name: str) -> Cell:
    rank = ranking.rank_of(name)
    if rank is None:
        return undefined_cell(_reason(ranking, name))
    return Cell((f"{format_rank(rank)} of {len(ranking.signals)}",), _middle(rank))


def _middle(rank: RankInterval) -> float:
    return (rank.low + rank.high) / 2


def _mean_rank(row: tuple[Cell, ...]) -> float:
    middles = [cell.sort for cell in row[1:] if cell.sort is not None]
    return sum(middles) / len(middles)


def _model_ranks(pairs: list[tuple[RunResult, TaskResult]], task: str) -> Table:
    names = [ACCURACY, *(name for name, signal in BY_NAME.items() if signal.headline)]
    names = [n for n in names if any(f.name == n for _, r in pairs for f in _ranking(r).figures)]
    columns = [[_model_cell(cell) for cell in model_ranks(pairs, name)] for name in names]
    rows = tuple(
        (text_cell(run.label), *(column[i] for column in columns))
        for i, (run, _) in enumerate(pairs)
    )
    labels = (BY_NAME[name].label if name in BY_NAME else name for name in names)
    title = task_title("Ranks of models", task)
    blocks = (Block("", rows),)
    return Table(f"{MODEL_RANKS}{task}", title, ("model", *labels), blocks, (MODELS, METHOD))


def _model_cell(found: tuple[float, RankInterval] | str) -> Cell:
    if isinstance(found, str):
        return undefined_cell(found)
    value, rank = found
    return Cell((f"{format_rank(rank)} ({value:.3f})",), _middle(rank))
