"""Signals × models on one benchmark, and one run's signals with all their figures."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import (
    Cell,
    count_cell,
    estimate_cell,
    format_estimate,
    format_p,
    signal_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.copies import copy_cell, marked, name_cell, rows_of
from leaderboard.tables.ranks import rank_cell
from leaderboard.tables.table import (
    ACCESS_TITLES,
    COPIES,
    FITTED,
    IN_KIND,
    NOT_RECORDED,
    READING,
    SCREEN,
    Block,
    Table,
    task_title,
)
from metrics.card.card import SignalResult
from metrics.card.statistics import STATISTICS
from metrics.card.statistics.auroc import AUROC
from metrics.card.statistics.within_kind_auroc import WITHIN_KIND_AUROC
from metrics.signals import ORDER

ACCESS = (
    "Signals stand in declared order, by family. deployable: needs no true answer where it is "
    f"used; {FITTED}: fitted on labels of other images; oracle: needs the true answer; control: a "
    "bar, not a signal."
)

# columns of a run's card beside the AUROCs
SHOWN = tuple(statistic for statistic in STATISTICS if "run" in statistic.tables)


def signals_table(board: Board, task: str) -> Table:
    """Signals × models on one benchmark, in blocks by access and family.

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
    results = [result for _, result in pairs]
    mixed = any(result.is_mixed for result in results)
    facts = (
        (text_cell("n / images / errors"), *(count_cell(result.card) for result in results)),
        (text_cell("accuracy"), *(estimate_cell(result.card.accuracy) for result in results)),
    )
    blocks = [Block("", facts)]
    for access, family in _families(results):
        title = access if access == family else f"{family} ({access})"
        rows = _signal_rows(pairs, access, family, mixed=mixed)
        blocks += [Block(title, rows)] if rows else []
    notes = [READING, *([IN_KIND] if mixed else [])]
    notes += [_screen(mixed=mixed), COPIES, ACCESS]
    columns = ("signal", *(text_cell(run.label).lines[0] for run, _ in pairs))
    title = task_title("Signals", task)
    return Table(f"signals-{task}", title, columns, tuple(blocks), tuple(notes))


def run_table(run: RunResult, result: TaskResult) -> Table:
    """Every signal of one run on one benchmark with its figures, the highest first per block.

    Parameters
    ----------
    run, result
        The run and its result on the benchmark.

    Returns
    -------
    Table
    """
    mixed = result.is_mixed
    columns = (
        "signal", AUROC.label, *([WITHIN_KIND_AUROC.label] if mixed else []), "p", "rank",
        *(statistic.label for statistic in SHOWN), "n valid / n", "errors",
    )  # fmt: skip
    blocks = []
    for access, title in ACCESS_TITLES.items():
        own = [s for s in result.card.signals if s.access == access and s.copy_of is None]
        if own:
            own.sort(key=lambda signal: _falling(signal, mixed=mixed))
            blocks.append(Block(title, tuple(_run_row(s, run, result) for s in own)))
    rate = "undefined" if result.card.error_rate is None else f"{result.card.error_rate:.3f}"
    notes = (
        "rank: among deployable signals, as far as paired differences tell them apart (joint "
        "resamples over images, Holm-adjusted); overlapping ranks are ties. "
        "in answer: pairs of right and wrong answers with the same text only. error AP: average "
        f"precision of finding errors; its baseline is the error rate, {rate}. AUGRC: mean risk of "
        "a silent failure, lower is better; a random score has half the error rate.",
        *(statistic.note for statistic in SHOWN if statistic.note),
        _screen(mixed=mixed),
        COPIES,
    )
    name, task = text_cell(run.label, result.task).lines
    title = (
        f"{name} on {task}: n {result.card.n}, {result.card.n_groups} images, "
        f"{result.card.n_errors} errors, accuracy {format_estimate(result.card.accuracy)}"
    )
    return Table(f"run-{run.label}-{result.task}", title, columns, tuple(blocks), notes)


def _screen(*, mixed: bool) -> str:
    return SCREEN.format(within="in kind " if mixed else "")


def declared_order(name: str) -> int:
    """Position in `metrics.signals.SIGNALS`; what is not declared there comes last."""
    return ORDER.get(name, len(ORDER))


def _families(results: list[TaskResult]) -> list[tuple[str, str]]:
    """Access and family of each block, in declared order."""
    found: dict[tuple[str, str], int] = {
        (s.access, s.family): declared_order(s.name)
        for result in results
        for s in sorted(result.card.signals, key=lambda s: -declared_order(s.name))
    }
    accesses = list(ACCESS_TITLES)
    return sorted(found, key=lambda block: (accesses.index(block[0]), found[block], block[1]))


def _signal_rows(
    pairs: list[tuple[RunResult, TaskResult]], access: str, family: str, *, mixed: bool
) -> tuple[tuple[Cell, ...], ...]:
    """One row per signal, in declared order: an order of merit would need a test per pair.

    What is not declared keeps the order of the cards.
    """
    cards = [result.card for _, result in pairs]
    labels = {s.name: s.label for card in cards for s in card.signals}
    own = {s.name for c in cards for s in c.signals if (s.access, s.family) == (access, family)}
    rows = rows_of(cards)
    return tuple(
        (
            name_cell(marked(name, labels[name]), [labels[copy] for copy in rows[name]]),
            *(_cell_of(run, result, name, mixed=mixed) for run, result in pairs),
        )
        for name in sorted((name for name in rows if name in own), key=declared_order)
    )


def _cell_of(run: RunResult, result: TaskResult, name: str, *, mixed: bool) -> Cell:
    signals = {signal.name: signal for signal in result.card.signals}
    if name not in signals:
        return undefined_cell(NOT_RECORDED)
    signal = signals[name]
    if signal.copy_of is not None:
        return copy_cell(signals[signal.copy_of].label)
    return signal_cell(signal, mixed=mixed, p_value=run.screen.signals.get((result.task, name)))


def _falling(signal: SignalResult, *, mixed: bool) -> float:
    """Sorts the highest first and what has no figure last."""
    value = signal.within_kind_auroc.value if mixed else signal.auroc.value
    return 1.0 if value is None or signal.invalid is not None else -value


def _run_row(signal: SignalResult, run: RunResult, result: TaskResult) -> tuple[Cell, ...]:
    copies = [s.label for s in result.card.signals if s.copy_of == signal.name]
    name, mixed = name_cell(marked(signal.name, signal.label), copies), result.is_mixed
    counts = (
        Cell((f"{signal.n} / {signal.n + signal.n_missing}",), float(signal.n)),
        Cell((str(signal.n_errors),), float(signal.n_errors)),
    )
    plain = signal_cell(replace(signal, n_missing=0), mixed=False)
    if not signal.is_scored:
        empty = Cell(("",), state="undefined")
        return (name, plain, *[empty] * (2 + len(SHOWN) + mixed), *counts)
    return (
        name,
        plain,
        *([estimate_cell(signal.within_kind_auroc)] if mixed else []),
        _p_cell(signal, run.screen.signals.get((result.task, signal.name))),
        rank_cell(result.ranking, signal),
        *(_figure_cell(signal, statistic.key) for statistic in SHOWN),
        *counts,
    )


def _figure_cell(signal: SignalResult, key: str) -> Cell:
    figure = signal.figure(key)
    return undefined_cell(_not_computed(signal)) if figure is None else estimate_cell(figure)


def _p_cell(signal: SignalResult, p_value: float | None) -> Cell:
    """Empty for what is not screened: oracles and controls."""
    if signal.access != "deployable":
        return Cell(("",))
    if p_value is None:
        return undefined_cell(signal.warning or "too few images, or no figure: no test")
    return Cell((format_p(p_value).removeprefix("p "),), p_value)


def _not_computed(signal: SignalResult) -> str:
    return signal.auroc.reason or "selective prediction was not computed"
