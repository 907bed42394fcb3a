"""Geometry of the forest plot: coordinates only, drawn as inline SVG by the template.

Charts over an x axis are in `leaderboard.figures.charts`. Coordinates are in units of the view box.
Colours are classes, so that light and dark both work, and no text from a run is placed here without
passing the template's escaping.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from leaderboard.figures.charts import Tick
from leaderboard.figures.headlines import first_of
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import format_estimate
from leaderboard.tables.copies import marked, rows_of
from leaderboard.tables.table import ACCESS_TITLES
from leaderboard.tables.text import MAX_NAME, clean
from metrics.card.card import SignalResult
from metrics.scores.bootstrap import Estimate

WIDTH = 400.0
LEFT, RIGHT = 12.0, 388.0
LABEL_HEIGHT, MARK_HEIGHT, GAP = 15.0, 11.0, 7.0
MAX_SERIES = 8

Pairs = Sequence[tuple[RunResult, TaskResult]]


@dataclass(frozen=True)
class Mark:
    """One model's figure in a forest plot; ``plain`` is where the AUROC over all kinds lies."""

    series: int
    x: float
    low: float | None
    high: float | None
    plain: float | None
    y: float
    hint: str


@dataclass(frozen=True)
class ForestRow:
    """One signal, or the heading of a block when it has no marks."""

    label: str
    y: float
    marks: tuple[Mark, ...]
    is_heading: bool = False


@dataclass(frozen=True)
class Forest:
    """AUROC of every signal of every model on one benchmark."""

    task: str
    height: float
    ticks: tuple[Tick, ...]
    chance: float
    rows: tuple[ForestRow, ...]
    series: tuple[str, ...]
    mixed: bool
    n_left_out: int
    controls: tuple[float, float] | None = None


def forest(board: Board, task: str, *, rest: bool = False) -> Forest:
    """Lay out the forest plot of one benchmark, for at most eight models, the highest first.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.
    rest : bool, default False
        The deployable signals beyond the first eight, instead of these with oracles and controls.

    Returns
    -------
    Forest
        ``controls`` are the ends of the controls' figures, to be shaded. Undefined and invalid
        figures are not drawn; the table beside the plot says why.
    """
    everyone = board.of_task(task)
    pairs = everyone[:MAX_SERIES]
    mixed = any(result.is_mixed for _, result in pairs)
    first = _axis_start(pairs, mixed=mixed)
    own_rows = rows_of([result.card for _, result in pairs])
    rows: list[ForestRow] = []
    y = 4.0
    for access, title in ACCESS_TITLES.items():
        labels = _labels(pairs, access, own_rows, mixed=mixed, rest=rest)
        if not labels:
            continue
        rows.append(ForestRow(title, y + LABEL_HEIGHT - 3, (), is_heading=True))
        y += LABEL_HEIGHT + GAP
        for name, label in labels.items():
            marks = _marks(pairs, name, first, y + LABEL_HEIGHT, mixed=mixed)
            shown = clean(marked(name, label), limit=MAX_NAME)
            rows.append(ForestRow(shown, y + LABEL_HEIGHT - 4, marks))
            y += LABEL_HEIGHT + MARK_HEIGHT * len(pairs) + GAP
    ticks = tuple(
        Tick(_scale(i / 10, first), f"{i / 10:.1f}") for i in range(round(first * 10), 11)
    )
    names = tuple(clean(run.label, limit=MAX_NAME) for run, _ in pairs)
    left_out = len(everyone) - len(pairs)
    chance, shade = _scale(0.5, first), _controls(pairs, first, mixed=mixed)
    return Forest(task, y + 20, ticks, chance, tuple(rows), names, mixed, left_out, shade)


def _labels(
    pairs: Pairs, access: str, own_rows: Collection[str], *, mixed: bool, rest: bool
) -> dict[str, str]:
    """Names and labels of a block's rows, by their mean figure over models.

    What has no figure in any model has no row, nor what is a copy in each that has it.
    """
    found: dict[str, list[SignalResult]] = {}
    for _, result in pairs:
        for signal in result.card.signals:
            if signal.access != access or signal.name not in own_rows:
                continue
            if (shown := _shown(signal, mixed=mixed)) is not None and shown.value is not None:
                found.setdefault(signal.name, []).append(signal)
    found = {name: own for name, own in found.items() if any(s.copy_of is None for s in own)}
    names = sorted(found, key=lambda name: _place(found[name], len(pairs), mixed=mixed))
    if access == "deployable":
        first = first_of(names)
        names = [name for name in names if (name in first) != rest]
    elif rest:
        return {}
    return {name: found[name][0].label for name in names}


def _place(signals: Sequence[SignalResult], n: int, *, mixed: bool) -> tuple[bool, float]:
    """What some models or many answers lack stands behind the others."""
    is_whole = len(signals) == n and not any(signal.is_partial for signal in signals)
    return not is_whole, -_mean(signals, mixed=mixed)


def _mean(signals: Sequence[SignalResult], *, mixed: bool) -> float:
    shown = [_shown(signal, mixed=mixed) for signal in signals]
    known = [figure.value for figure in shown if figure is not None and figure.value is not None]
    return sum(known) / len(known) if known else -1.0


def _controls(pairs: Pairs, first: float, *, mixed: bool) -> tuple[float, float] | None:
    """Ends of the controls' figures over all models."""
    shown = [
        _shown(signal, mixed=mixed)
        for _, result in pairs
        for signal in result.card.signals
        if signal.access == "control"
    ]
    known = [figure.value for figure in shown if figure is not None and figure.value is not None]
    return (_scale(min(known), first), _scale(max(known), first)) if known else None


def _marks(
    pairs: Pairs, name: str, first: float, top: float, *,
    mixed: bool,
) -> tuple[Mark, ...]:  # fmt: skip
    marks = []
    for series, (run, result) in enumerate(pairs):
        signal = next((s for s in result.card.signals if s.name == name), None)
        shown = None if signal is None else _shown(signal, mixed=mixed)
        if signal is None or shown is None or shown.value is None:
            continue
        what = "in kind" if mixed else "AUROC"
        hint = f"{run.label}, {signal.label}: {what} {format_estimate(shown)}"
        hint += f", plain {format_estimate(signal.auroc)}" if mixed else ""
        low, high = (None if v is None else _scale(v, first) for v in (shown.low, shown.high))
        plain = signal.auroc.value if mixed else None
        marks.append(
            Mark(
                series=series,
                x=_scale(shown.value, first),
                low=low,
                high=high,
                plain=None if plain is None else _scale(plain, first),
                y=top + MARK_HEIGHT * series + MARK_HEIGHT / 2,
                hint=clean(hint, limit=200),
            )
        )
    return tuple(marks)


def _shown(signal: SignalResult, *, mixed: bool) -> Estimate | None:
    if signal.invalid is not None:
        return None
    return signal.within_kind_auroc if mixed else signal.auroc


def _axis_start(pairs: Pairs, *, mixed: bool) -> float:
    """Start of the axis: the tenth below the lowest figure, 0.4 at the highest."""
    lows = [0.41]
    for _, result in pairs:
        for signal in result.card.signals:
            shown = _shown(signal, mixed=mixed)
            for value in () if shown is None else (shown.low, shown.value, signal.auroc.value):
                lows += [] if value is None else [value]
    return max(0.0, math.floor(min(lows) * 10) / 10)


def _scale(value: float, first: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * (value - first) / (1 - first), 1)
