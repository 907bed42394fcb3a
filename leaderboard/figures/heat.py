"""Signals × models at a glance: one coloured cell each, the highest signals first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.figures.headlines import first_of
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.arena import Entry, entries_of
from leaderboard.tables.cells import format_estimate, text_cell
from metrics.signals import FREE

LEVELS = 6  # of colour, from an AUROC of 1/2 to 1
MARKS = {"better than free": "▲", "worse": "▼", "the free one": "●"}


@dataclass(frozen=True)
class HeatCell:
    """A figure with its colour, or why there is none; ``state`` is value, quiet or invalid."""

    text: str
    mark: str
    level: int
    hint: str
    state: str


@dataclass(frozen=True)
class HeatRow:
    """One signal and its cell of each model."""

    label: str
    is_free: bool
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class Heat:
    """The strip of one benchmark; ``rest`` are the rows beyond the first.

    ``silent`` are the signals without a figure in any model, by the reason.
    """

    models: tuple[str, ...]
    first: tuple[HeatRow, ...]
    rest: tuple[HeatRow, ...]
    silent: tuple[tuple[str, tuple[str, ...]], ...]
    figure: str


def heat_of(board: Board, task: str, entries: Sequence[Entry] | None = None) -> Heat | None:
    """Lay out the strip of a benchmark.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.
    entries : sequence of Entry, optional
        Its `entries_of`, where they are at hand.

    Returns
    -------
    Heat or None
        Rows by their mean figure over models, what some models or many answers lack behind the
        others, the free signal always among the first; None where nothing has a figure.
    """
    entries = entries_of(board, task) if entries is None else entries
    pairs = board.of_task(task)
    models = [text_cell(run.label).lines[0] for run, _ in pairs]
    by_name: dict[str, dict[int, Entry]] = {}
    numbers = {(id(run), id(result)): i for i, (run, result) in enumerate(pairs)}
    for entry in entries:
        number = numbers[id(entry.run), id(entry.task)]
        by_name.setdefault(entry.signal.name, {})[number] = entry
    _add_copies(by_name, pairs)
    named = sorted(
        by_name.items(), key=lambda item: (not _is_whole(item[1], len(pairs)), -_mean(item[1]))
    )
    rows = {name: _row(name, own, len(pairs)) for name, own in named}
    heard = {n: row for n, row in rows.items() if any(c.state != "quiet" for c in row.cells)}
    if not any(cell.level >= 0 for row in heard.values() for cell in row.cells):
        return None
    names = set(first_of(list(heard)))
    first = tuple(row for name, row in heard.items() if name in names)
    rest = tuple(row for name, row in heard.items() if name not in names)
    silent = _by_reason([row for name, row in rows.items() if name not in heard])
    mixed = any(result.is_mixed for _, result in pairs)
    figure = "AUROC in kind" if mixed else "AUROC"
    return Heat(tuple(models), first, rest, silent, figure)


def _by_reason(rows: Sequence[HeatRow]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Labels by why there is no figure: what the first model says of it."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        labels.setdefault(row.cells[0].hint, []).append(row.label)
    return tuple((why, tuple(own)) for why, own in labels.items())


def _add_copies(
    by_name: dict[str, dict[int, Entry]], pairs: Sequence[tuple[RunResult, TaskResult]]
) -> None:
    """Where a signal ranks all answers as another does, it has that one's figure."""
    for number, (_, result) in enumerate(pairs):
        for signal in result.card.signals:
            leader = by_name.get(signal.copy_of or "", {}).get(number)
            own = by_name.get(signal.name)
            if leader is not None and own is not None:
                own.setdefault(number, leader)


def _is_whole(own: dict[int, Entry], n: int) -> bool:
    """Whether every model has a figure, on nearly all answers."""
    known = [e for e in own.values() if e.figure.value is not None]
    return len(known) == n and not any(e.signal.is_partial for e in known)


def _mean(own: dict[int, Entry]) -> float:
    known = [entry.figure.value for entry in own.values() if entry.figure.value is not None]
    return sum(known) / len(known) if known else -1.0


def _row(name: str, own: dict[int, Entry], n: int) -> HeatRow:
    label = next(e.signal.label for e in own.values() if e.signal.name == name)
    cells = tuple(_cell(own.get(number), name) for number in range(n))
    return HeatRow(text_cell(label).lines[0], name == FREE, cells)


def _cell(entry: Entry | None, name: str) -> HeatCell:
    if entry is None:
        return HeatCell("–", "", -1, "not recorded in this run", "quiet")
    found, signal = entry.figure, entry.signal
    if signal.invalid is not None:
        return HeatCell("INVALID", "", -1, signal.invalid, "invalid")
    if found.value is None:
        why = signal.not_offered or found.reason or "no figure"
        return HeatCell("–", "", -1, why, "quiet")
    level = round(LEVELS * min(max(2 * found.value - 1, 0.0), 1.0))
    hint = f"{signal.label}: {format_estimate(found)}, {entry.standing}"
    mark = MARKS.get(entry.standing, "")
    if signal.name != name:
        hint, mark = f"ranks all answers as {hint}", "="
    if signal.is_partial:
        hint += f"; on {signal.n} of {entry.task.card.n} answers only"
        mark = f"{mark}*"
    return HeatCell(f"{found.value:.3f}", mark, level, hint, "value")
