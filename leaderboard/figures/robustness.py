"""Curves of sweeps: in the report, and as picture files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboard.figures.charts import N_COLOURS, Chart, Series, chart
from leaderboard.output import anew
from leaderboard.results.aggregate import Board
from leaderboard.results.robustness import Curve, Robustness, common_words
from leaderboard.runs.sweep_columns import CurveKey
from leaderboard.tables.text import MAX_NAME, clean
from metrics.record.interventions import InterventionWords

CAPTION = "Accuracy on held-out images; band: 95 % interval over images; dose 0: no intervention."
FORMATS = ("svg", "png")
_STYLES = {"ranked": "-", "random": "--"}
# in the order of the legend
_COLOURS = {"ranked": "#c4422b", "least": "#3b7dd8", "random": "#7a7a7a"}

# intervention, layer, fill, unit: what shares one picture
_Panel = tuple[str, int, str, str]


def figures(board: Board, task: str) -> list[Chart]:
    """Curves per model, then one chart per curve that compares models.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    list of Chart
        Empty if no run has swept it.
    """
    found = _models(board, task)
    words = _words(found)
    drawn = [
        _chart(f"{_title(panel, words)}: {name}", words[panel[0]], _by_choice(own, panel))
        for name, own in found
        for panel in _panels(own)
    ]
    if len(found) > 1:
        drawn += [
            _comparison(found, kind, choice, words[kind]) for kind, choice in _comparisons(found)
        ]
    return [plot for plot in drawn if plot is not None]


def write_figures(board: Board, folder: Path) -> list[Path]:
    """Write ``robustness-<task>.svg`` and ``.png``: rows are models, columns interventions.

    Parameters
    ----------
    board : Board
        All results.
    folder : Path
        An existing folder.

    Returns
    -------
    list of Path
        Of the files; none for benchmarks without sweeps.
    """
    written = []
    for task in board.tasks:
        found = _models(board, task)
        if found:
            with mpl.rc_context({"text.parse_math": False}):  # names are no formulas
                figure = _figure(found)
            stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in task)
            for form in FORMATS:
                path = anew(folder / f"robustness-{stem}.{form}")
                with mpl.rc_context({"svg.hashsalt": "vrp", "svg.fonttype": "none"}):
                    figure.savefig(path, dpi=110, metadata={"Date": None} if form == "svg" else {})
                written.append(path)
    return written


def _models(board: Board, task: str) -> list[tuple[str, Robustness]]:
    return [
        (clean(run.label, limit=MAX_NAME), result.robustness)
        for run, result in board.of_task(task)[:N_COLOURS]
        if result.robustness is not None and any(_panels(result.robustness))
    ]


def _panels(robustness: Robustness) -> list[_Panel]:
    """What is drawn of a run: curves over shares, of more than one dose."""
    keys = [c.key for c in robustness.curves if c.key.unit == "share" and len(c.doses) > 1]
    return list(dict.fromkeys((k.intervention, k.layer, k.fill, k.unit) for k in keys))


def _words(found: list[tuple[str, Robustness]]) -> dict[str, InterventionWords]:
    """As in `common_words`, fit to be shown."""
    return {
        name: replace(
            words,
            what=clean(words.what, limit=MAX_NAME),
            axis=clean(words.axis, limit=MAX_NAME),
            choices={key: clean(text, limit=MAX_NAME) for key, text in words.choices.items()},
            fills={key: clean(text, limit=MAX_NAME) for key, text in words.fills.items()},
        )
        for name, words in common_words(own for _, own in found).items()
    }


def _by_choice(robustness: Robustness, panel: _Panel) -> list[tuple[str, Curve]]:
    found = [(choice, robustness.curve(CurveKey(*panel, choice))) for choice in _COLOURS]
    return [(choice, curve) for choice, curve in found if curve is not None]


def _title(panel: _Panel, words: dict[str, InterventionWords]) -> str:
    intervention, layer, fill, _ = panel
    where = "" if layer < 0 else f", layer {layer}"
    fills = words[intervention].fills
    how = f", {fills.get(fill, fill)}" if fills and fill != "zero" else ""
    return f"{words[intervention].what}{where}{how}"


def _label(words: InterventionWords, choice: str) -> str:
    return words.choices.get(choice, clean(choice, limit=MAX_NAME))


def _series(name: str, curve: Curve, colour: int) -> Series:
    x, estimates = [0.0, *curve.doses], [curve.start, *curve.accuracy]
    hints = [
        f"{name}, dose {at:g}: {'–' if e.value is None else format(e.value, '.3f')}"
        for at, e in zip(x, estimates, strict=True)
    ]
    values, lows, highs = ([getattr(e, f) for e in estimates] for f in ("value", "low", "high"))
    return Series(name, x, values, hints, lows, highs, colour=colour)


def _chart(
    title: str, words: InterventionWords, curves: Sequence[tuple[str, Curve]]
) -> Chart | None:
    order = list(_COLOURS)
    series = [
        _series(_label(words, choice), curve, order.index(choice)) for choice, curve in curves
    ]
    return _accuracy_chart(title, words, series)


def _comparisons(found: list[tuple[str, Robustness]]) -> list[tuple[str, str]]:
    pairs = [
        (c.key.intervention, c.key.choice)
        for _, own in found
        for c in own.curves
        if c.key.unit == "share" and len(c.doses) > 1
    ]
    return list(dict.fromkeys(pairs))


def _comparison(
    found: list[tuple[str, Robustness]], intervention: str, choice: str, words: InterventionWords
) -> Chart | None:
    """One curve of each model, at its first layer and fill."""
    series = []
    for number, (name, own) in enumerate(found):
        curve = next(
            (
                c
                for c in own.curves
                if (c.key.intervention, c.key.choice, c.key.unit) == (intervention, choice, "share")
            ),
            None,
        )
        if curve is not None:
            series.append(_series(name, curve, number))
    title = f"{words.what}, {_label(words, choice)}"
    return _accuracy_chart(title, words, series) if len(series) > 1 else None


def _accuracy_chart(title: str, words: InterventionWords, series: list[Series]) -> Chart | None:
    return chart(
        title,
        series,
        x_label=words.axis,
        y_label="accuracy",
        caption=CAPTION,
        y_range=(0, 1),
    )


def _figure(found: list[tuple[str, Robustness]]) -> Figure:
    """A row per model, and below them one in which they stand beside each other."""
    kinds = list(dict.fromkeys(p[0] for _, own in found for p in _panels(own)))
    words = _words(found)
    n_rows = len(found) + (len(found) > 1)
    size = (3.1 * len(kinds) + 0.6, 2.2 * n_rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(n_rows, len(kinds), squeeze=False, sharey=True)
    for column, kind in enumerate(kinds):
        for row, (name, own) in enumerate(found):
            _draw(grid[row][column], name, words[kind], _first(own, kind))
        if len(found) > 1:
            firsts = [(name, _first(own, kind)) for name, own in found]
            _draw_all(grid[-1][column], words[kind], firsts)
        top, bottom = grid[0][column], grid[-1][column]
        top.set_title(f"{words[kind].what}\n{top.get_title()}", fontsize=8)
        bottom.set_xlabel(words[kind].axis, fontsize=8)
    for row in range(n_rows):
        grid[row][0].set_ylabel("accuracy", fontsize=8)
    return figure


def _first(robustness: Robustness, kind: str) -> tuple[_Panel | None, list[tuple[str, Curve]]]:
    """A run's first layer and fill of one intervention, and the curves there."""
    panel = next((p for p in _panels(robustness) if p[0] == kind), None)
    return panel, [] if panel is None else _by_choice(robustness, panel)


def _draw(
    axes: Axes,
    name: str,
    words: InterventionWords,
    first: tuple[_Panel | None, list[tuple[str, Curve]]],
) -> None:
    panel, curves = first
    for choice, curve in curves:
        _plot(axes, curve, _label(words, choice), _COLOURS[choice], "-")
    where = "" if panel is None or panel[1] < 0 else f" (layer {panel[1]})"
    _finish(axes, f"{name}{where}")


def _draw_all(
    axes: Axes,
    words: InterventionWords,
    found: list[tuple[str, tuple[_Panel | None, list[tuple[str, Curve]]]]],
) -> None:
    for number, (name, (_, curves)) in enumerate(found):
        for choice, curve in curves:
            if choice in _STYLES:
                label = name if choice == "ranked" else None
                _plot(axes, curve, label, f"C{number}", _STYLES[choice])
    _finish(axes, f"{_label(words, 'ranked')} (solid), random (dashed)")


def _plot(axes: Axes, curve: Curve, label: str | None, colour: str, style: str) -> None:
    line, low, high = (
        np.array([getattr(e, end) for e in (curve.start, *curve.accuracy)], dtype=np.float64)
        for end in ("value", "low", "high")
    )
    x = [0.0, *curve.doses]
    axes.plot(x, line, style, marker="o", ms=2.5, lw=1.3, color=colour, label=label)
    axes.fill_between(x, low, high, color=colour, alpha=0.13, lw=0)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.25, lw=0.5)
    axes.tick_params(labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, frameon=False, loc="lower left")
