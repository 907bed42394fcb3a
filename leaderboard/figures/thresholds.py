"""Risk over the threshold of a signal, with the bound that holds over images."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.figures.charts import N_COLOURS, Chart, Series, chart
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.thresholds import RISKS, Point, thresholds_in
from metrics.signals import BY_NAME, FREE, SIGNALS

MAX_MODELS = N_COLOURS
CAPTION = (
    "Share of wrong answers among those at or above the threshold. Dashed: its upper bound over "
    "images, at 95 % for each threshold alone."
)


def threshold_charts(board: Board, task: str) -> list[Chart]:
    """A chart per headline signal, a curve and its bound per model."""
    names = [s.name for s in SIGNALS if s.name == FREE or s.headline]
    charts = [_chart(board.of_task(task)[:MAX_MODELS], name) for name in names]
    return [found for found in charts if found is not None]


def _chart(pairs: Sequence[tuple[RunResult, TaskResult]], name: str) -> Chart | None:
    series = []
    for number, (run, result) in enumerate(pairs):
        own = thresholds_in(result, name)
        series += [] if own is None else _lines(run.label, own.curve, number)
    label = BY_NAME[name].label
    return chart(
        f"Risk over the threshold: {label}",
        series,
        x_label=label,
        y_label="risk",
        caption=CAPTION,
        y_range=(0, 1),
        reference=(RISKS[0], f"{100 * RISKS[0]:g} %"),
    )


def _lines(label: str, points: Sequence[Point], colour: int) -> list[Series]:
    x = [point.threshold for point in points]
    hints = [
        f"≥ {p.threshold:.3g}: {100 * p.risk:.3g} % wrong, at most {100 * p.high:.3g} %, "
        f"shows {100 * p.coverage:.3g} %"
        for p in points
    ]
    bound = [point.high for point in points]
    return [
        Series(label, x, [p.risk for p in points], hints, colour=colour),
        Series(f"{label}, bound", x, bound, hints, colour=colour, dashed=True, dots=False),
    ]
