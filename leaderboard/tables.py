"""The tables: which figures stand where. Formats are in `leaderboard.formats`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leaderboard.aggregate import Board, RunResult, TaskResult
from leaderboard.cells import (
    Cell,
    count_cell,
    estimate_cell,
    format_estimate,
    signal_cell,
    text_cell,
)
from leaderboard.published import FIGURES, MODELS, POOLED, SOURCE
from metrics.card import SignalResult
from metrics.signals import BY_NAME

OVERVIEW = "overview"
ACCESS_TITLES = {
    "deployable": "deployable (needs no label)",
    "oracle": "oracle (needs the true answer)",
    "control": "control (a bar, not a signal)",
}
HEADLINE_FAMILIES = ("consistency", "attention", "probe")
READING = (
    "AUROC of “correct”, 95 % interval by bootstrap over images ({n_resamples} resamples); 0.5 is "
    "chance, higher is better. Accuracy: Wilson interval at the effective sample size."
)
IN_KIND = (
    "“in kind”: pairs of right and wrong answers to the same kind of question only; the figure "
    "above it is inflated wherever kinds differ in difficulty."
)
BEST = (
    "Best single-pass signal: the highest {figure} among the deployable signals that need one "
    "pass, chosen after the fact; the others that reach its interval are counted, not ranked."
)


@dataclass(frozen=True)
class Block:
    """Rows under one heading; rows of different blocks are never ranked together."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table without a format. ``key`` is unique within a report."""

    key: str
    title: str
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()


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
        "model", "family", "benchmark", "n / images / errors", "accuracy",
        "best single-pass", "self-consistency", "attention", "probe", "cost",
    )  # fmt: skip
    rows = [
        _overview_row(run, result) for task in board.tasks for run, result in board.of_task(task)
    ]
    mixed = any(result.is_mixed for run in board.runs for result in run.tasks)
    notes = [READING.format(n_resamples=board.n_resamples)]
    notes += [IN_KIND] if mixed else []
    notes.append(BEST.format(figure="in-kind AUROC (plain with one kind)" if mixed else "AUROC"))
    return Table(OVERVIEW, "Overview", columns, (Block("", tuple(rows)),), tuple(notes))


def signals_table(board: Board, task: str) -> Table:
    """Signals × models on one benchmark, in blocks by access.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    Table
    """
    pairs = board.of_task(task)
    mixed = any(result.is_mixed for _, result in pairs)
    facts = (
        (text_cell("n / images / errors"), *(count_cell(result.card) for _, result in pairs)),
        (
            text_cell("accuracy"),
            *(estimate_cell(r.card.accuracy) for _, r in pairs),
        ),
    )
    blocks = [Block("", facts)]
    for access, title in ACCESS_TITLES.items():
        rows = _signal_rows([result for _, result in pairs], access, mixed=mixed)
        if rows:
            blocks.append(Block(title, rows))
    notes = [READING.format(n_resamples=board.n_resamples)] + ([IN_KIND] if mixed else [])
    columns = ("signal", *(text_cell(run.label).lines[0] for run, _ in pairs))
    title = f"Signals on {text_cell(task).lines[0]}"
    return Table(f"signals-{task}", title, columns, tuple(blocks), tuple(notes))


def transposed(table: Table) -> Table:
    """The table with one column per row, for few rows of many columns.

    Parameters
    ----------
    table : Table
        With one block; its first column becomes the head.

    Returns
    -------
    Table
    """
    (block,) = table.blocks
    columns = (table.columns[0], *(row[0].lines[0] for row in block.rows))
    rows = [
        (text_cell(name), *(row[index] for row in block.rows))
        for index, name in enumerate(table.columns)
    ]
    return replace(table, columns=columns, blocks=(Block("", tuple(rows[1:])),))


def run_table(run: RunResult, result: TaskResult) -> Table:
    """Everything that one run's card holds on one benchmark.

    Parameters
    ----------
    run, result
        The run and its result on the benchmark.

    Returns
    -------
    Table
    """
    columns = ("signal", "AUROC", "AUROC in kind", "error AP", "n valid / n", "errors")
    blocks = []
    for access, title in ACCESS_TITLES.items():
        rows = tuple(_run_row(s) for s in result.card.signals if s.access == access)
        if rows:
            blocks.append(Block(title, rows))
    rate = "undefined" if result.card.error_rate is None else f"{result.card.error_rate:.3f}"
    notes = (
        f"error AP: average precision of finding errors; its baseline is the error rate, {rate}.",
    )
    name, task = text_cell(run.label, result.task).lines
    title = (
        f"{name} on {task}: n {result.card.n}, {result.card.n_groups} images, "
        f"{result.card.n_errors} errors, accuracy {format_estimate(result.card.accuracy)}"
    )
    return Table(f"run-{run.label}-{result.task}", title, columns, tuple(blocks), notes)


def published_table() -> Table:
    """Published figures, as printed by their authors; not measured by us."""
    rows = tuple(
        (text_cell(figure.quantity), *(text_cell(v, limit=200) for v in figure.values))
        for figure in FIGURES
    )
    title = "Published figures (not measured here)"
    return Table("published", title, ("quantity", *MODELS), (Block("", rows),), (SOURCE, POOLED))


def all_tables(board: Board, *, published: bool = False) -> list[Table]:
    """Overview, one signals table per benchmark, and the published figures if asked for.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add `published_table`.

    Returns
    -------
    list of Table
    """
    tables = [overview_table(board), *(signals_table(board, task) for task in board.tasks)]
    return [*tables, published_table()] if published else tables


def _overview_row(run: RunResult, result: TaskResult) -> tuple[Cell, ...]:
    mixed = result.is_mixed
    return (
        text_cell(run.label),
        text_cell(run.manifest.model.get("family") or "–"),
        text_cell(result.task),
        count_cell(result.card),
        estimate_cell(result.card.accuracy),
        _best_single_pass(result),
        *(_headline(result, family, mixed=mixed) for family in HEADLINE_FAMILIES),
        _cost_cell(run),
    )


def _signal_rows(
    results: list[TaskResult], access: str, *, mixed: bool
) -> tuple[tuple[Cell, ...], ...]:
    """One row per signal, in declared order: an order of merit would need a test per pair."""
    labels = {s.name: s.label for r in results for s in r.card.signals if s.access == access}
    order = list(BY_NAME)
    names = sorted(labels, key=lambda name: order.index(name) if name in BY_NAME else len(order))
    rows = []
    for name in names:
        cells = [_cell_of(result, name, mixed=mixed) for result in results]
        rows.append((text_cell(labels[name]), *cells))
    return tuple(rows)


def _cell_of(result: TaskResult, name: str, *, mixed: bool) -> Cell:
    for signal in result.card.signals:
        if signal.name == name:
            return signal_cell(signal, mixed=mixed)
    return Cell(("–",), notes=("not recorded in this run",), state="undefined")


def _run_row(signal: SignalResult) -> tuple[Cell, ...]:
    name = text_cell(signal.label)
    counts = (
        Cell((f"{signal.n} / {signal.n + signal.n_missing}",), float(signal.n)),
        Cell((str(signal.n_errors),), float(signal.n_errors)),
    )
    if signal.invalid is not None:
        empty = Cell(("–",), state="undefined")
        return (name, signal_cell(signal, mixed=False), empty, empty, *counts)
    return (
        name,
        signal_cell(replace(signal, n_missing=0), mixed=False),
        estimate_cell(signal.within_kind_auroc),
        estimate_cell(signal.error_average_precision),
        *counts,
    )


def _headline(result: TaskResult, family: str, *, mixed: bool) -> Cell:
    for signal in result.card.signals:
        declared = BY_NAME.get(signal.name)
        if signal.family == family and declared is not None and declared.headline:
            return signal_cell(signal, mixed=mixed)
    return Cell(("–",), notes=("not recorded in this run",), state="undefined")


def _best_single_pass(result: TaskResult) -> Cell:
    """The best of the signals that one pass gives, with how many reach its interval."""
    fit = [
        (value, signal)
        for signal in result.card.signals
        if signal.access == "deployable" and signal.family != "consistency"
        and signal.invalid is None and not signal.warning
        and (value := _ranking_figure(signal, mixed=result.is_mixed)) is not None
    ]  # fmt: skip
    if not fit:
        reason = "no best signal is named: none is defined on 30 right and 30 wrong answers"
        return Cell(("–",), notes=(reason,), state="undefined")
    best = max(fit, key=lambda pair: pair[0])[1]
    cell = signal_cell(best, mixed=result.is_mixed, named=True)
    chosen = best.within_kind_auroc if result.is_mixed else best.auroc
    rivals = sum(chosen.low is not None and value >= chosen.low for value, _ in fit) - 1
    lines = (*cell.lines, f"+ {rivals} more in its interval") if rivals > 0 else cell.lines
    return Cell(lines, cell.sort, cell.notes, cell.state)


def _ranking_figure(signal: SignalResult, *, mixed: bool) -> float | None:
    return signal.within_kind_auroc.value if mixed else signal.auroc.value


def _cost_cell(run: RunResult) -> Cell:
    cost = run.manifest.cost
    seconds, n_samples, memory = (
        cost.get(key) for key in ("seconds", "n_samples", "peak_memory_bytes")
    )
    if not seconds or not n_samples:
        return Cell(("–",), notes=("the run recorded no cost",), state="undefined")
    lines = [f"{seconds / n_samples:.3g} s/answer"]
    lines += [f"{memory / 2**30:.2g} GiB"] if memory else []
    return Cell(tuple(lines), seconds / n_samples)
