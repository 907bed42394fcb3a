"""The overview: one row per run and benchmark."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import (
    UNDEFINED,
    Cell,
    count_cell,
    estimate_cell,
    signal_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.table import IN_KIND, NOT_RECORDED, READING, Block, Table
from leaderboard.tables.text import clean
from leaderboard.tables.worth import winners
from metrics.card.card import SignalResult
from metrics.signals import BY_NAME

OVERVIEW = "overview"
HEADLINE_FAMILIES = ("consistency", "attention", "probe")
MOST_NAMED = 3
BEST = (
    "Beat all controls: signals whose AUROC is beyond doubt higher than that of every control, and "
    "of how many. Best single-pass signal: the highest {figure} among the deployable signals that "
    "need one pass, on the samples that all signals have, chosen after the fact; those that share "
    "its rank are counted."
)


def overview_table(board: Board) -> Table:
    """One row per run and benchmark.

    Parameters
    ----------
    board : Board
        All results.

    Returns
    -------
    Table
    """
    columns = (
        "model", "family", "size", "benchmark", "n / images / errors", "accuracy",
        "beat all controls", "best single-pass", "self-consistency", "attention", "probe", "cost",
    )  # fmt: skip
    rows = [
        _overview_row(run, result) for task in board.tasks for run, result in board.of_task(task)
    ]
    mixed = any(result.is_mixed for run in board.runs for result in run.tasks)
    notes = [READING, *([IN_KIND] if mixed else [])]
    notes.append(BEST.format(figure="in-kind AUROC (plain with one kind)" if mixed else "AUROC"))
    return Table(OVERVIEW, "Overview", columns, (Block("", tuple(rows)),), tuple(notes))


def size_cell(run: RunResult) -> Cell:
    """Number of parameters: 1.65 M, 7.06 B."""
    n = run.manifest.model.get("n_parameters")
    if not isinstance(n, (int, float)):
        return undefined_cell("the run recorded no number of parameters")
    scale, unit = next((s, u) for s, u in ((1e9, "B"), (1e6, "M"), (1, "")) if n >= s or s == 1)
    return Cell((f"{n / scale:.3g} {unit}".strip(),), float(n))


def cost_cell(run: RunResult) -> Cell:
    """Seconds per answer, and peak memory."""
    cost = run.manifest.cost
    seconds, n_samples, memory = (
        cost.get(key) for key in ("seconds", "n_samples", "peak_memory_bytes")
    )
    if not seconds or not n_samples:
        return undefined_cell("the run recorded no cost")
    lines = [f"{seconds / n_samples:.3g} s/answer"]
    lines += [f"{memory / 2**30:.2g} GiB"] if memory else []
    return Cell(tuple(lines), seconds / n_samples)


def _overview_row(run: RunResult, result: TaskResult) -> tuple[Cell, ...]:
    mixed = result.is_mixed
    return (
        text_cell(run.label),
        text_cell(run.manifest.model.get("family") or UNDEFINED),
        size_cell(run),
        text_cell(result.task),
        count_cell(result.card),
        estimate_cell(result.card.accuracy),
        _winners_cell(run, result),
        _best_single_pass(result),
        *(_headline(result, family, mixed=mixed) for family in HEADLINE_FAMILIES),
        cost_cell(run),
    )


def _headline(result: TaskResult, family: str, *, mixed: bool) -> Cell:
    for signal in result.card.signals:
        declared = BY_NAME.get(signal.name)
        if signal.family == family and declared is not None and declared.headline:
            return signal_cell(signal, mixed=mixed)
    return undefined_cell(NOT_RECORDED)


def _best_single_pass(result: TaskResult) -> Cell:
    """The best of the signals that one pass gives, on the samples that all signals have."""
    common, mixed = result.card.common, result.is_mixed
    fit = [
        (value, signal)
        for signal in result.card.signals
        if signal.family != "consistency"
        and (figure := common.of(signal.name, mixed=mixed)) is not None
        and (value := figure.value) is not None
    ]
    if not fit:
        reason = "no best signal is named: none is defined on 30 right and 30 wrong answers"
        return undefined_cell(reason)
    best = max(fit, key=lambda pair: pair[0])[1]
    shown = common.on_common(best)
    cell = signal_cell(shown, mixed=mixed, named=True)
    if left := _not_compared(result):
        note = f"not compared, since missing on too many samples: {', '.join(left)}"
        cell = replace(cell, notes=(*cell.notes, clean(note)))
    rivals = _n_ties([signal for _, signal in fit], best, result)
    lines = (*cell.lines, f"+ {rivals} more not told from it") if rivals else cell.lines
    return Cell(lines, cell.sort, cell.notes, cell.state)


def _not_compared(result: TaskResult) -> list[str]:
    """Single-pass signals that have a figure, on too few of the samples."""
    return [
        signal.label
        for signal in result.card.signals
        if signal.access == "deployable"
        and signal.family != "consistency"
        and signal.copy_of is None
        and signal.is_scored
        and signal.is_partial
        and signal.auroc.value is not None
    ]


def _n_ties(signals: list[SignalResult], best: SignalResult, result: TaskResult) -> int:
    """How many others share a rank with the best, by paired differences."""
    rank_of = result.ranking.rank_of if result.ranking is not None else lambda _: None
    own = rank_of(best.name)
    ranks = [rank_of(signal.name) for signal in signals if signal is not best]
    return 0 if own is None else sum(r is not None and r.low <= own.high for r in ranks)


def _winners_cell(run: RunResult, result: TaskResult) -> Cell:
    """How many signals beat all their controls, and the names of the best."""
    found = winners(run, result)
    if found is None:
        return undefined_cell("no signal was compared with controls on data enough for a verdict")
    best, n = found
    more = [f"+ {len(best) - MOST_NAMED} more"] if len(best) > MOST_NAMED else []
    names = text_cell(*(signal.label for signal in best[:MOST_NAMED])).lines
    return Cell((f"{len(best)} of {n}", *names, *more), float(len(best)))
