"""Line charts and scatter charts: from numbers to coordinates, drawn as inline SVG by the template.

Everything that the report draws over an x axis comes from `chart`. Coordinates are in units of the
view box, colours are classes so that light and dark both work, and every text is cleaned here and
escaped by the template. Hover and arrow keys show one ``tip`` per point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from leaderboard.tables.text import MAX_NAME, clean

WIDTH, HEIGHT = 360.0, 214.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 348.0, 12.0, 172.0
N_COLOURS = 8
MAX_RADIUS = 9.0


@dataclass(frozen=True)
class Series:
    """One curve: numbers and names, not yet laid out.

    Attributes
    ----------
    name
        In the legend; may come from a run.
    x, y
        Equally long; a None in ``y`` leaves a gap.
    hints
        What each point says when pointed at; made from the axis labels if empty.
    low, high
        Ends of an interval per point, drawn as a band; empty for none.
    colour
        0 to 7.
    dashed
        Tells it apart from a curve of the same colour.
    sizes
        Areas of the points as shares of the largest; makes a scatter without a line.
    dots
        Whether each point has a dot.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    hints: Sequence[str] = ()
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    colour: int = 0
    dashed: bool = False
    sizes: Sequence[float] = ()
    dots: bool = True


@dataclass(frozen=True)
class Tick:
    """A tick of an axis: where it is and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One curve laid out: SVG paths, what its points say after its name, and what it stands for.

    ``path`` names every defined point in order, which is where the script reads them from.
    """

    name: str
    style: str
    path: str
    band: str
    dots: str
    circles: tuple[tuple[float, float, float], ...]
    tips: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """A chart laid out in a view box of `WIDTH` × `HEIGHT`."""

    title: str
    caption: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    reference: Tick | None
    diagonal: str


def chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    caption: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    reference: tuple[float, str] | None = None,
    diagonal: bool = False,
    whole_x: bool = False,
) -> Chart | None:
    """Lay out one chart.

    Parameters
    ----------
    title, caption, x_label, y_label : str
        Texts; cleaned here.
    series : sequence of Series
        Those without a defined point are left out.
    x_range, y_range : (low, high), optional
        Ends of an axis; from the data by default, with round ends for y.
    reference : (value, text), optional
        A dashed horizontal line and what it stands for.
    diagonal : bool, default False
        Draw y = x.
    whole_x : bool, default False
        Ticks of x at whole numbers only.

    Returns
    -------
    Chart or None
        None when no series has a defined point.
    """
    drawn = [s for s in series if any(y is not None for y in s.y)]
    if not drawn:
        return None
    x_low, x_high = x_range or _x_ends(drawn)
    x_ticks = _ticks(x_low, x_high, 6, whole=whole_x)
    y_ticks = _ticks(*(y_range or _y_ends(drawn, reference)), 4)
    y_low, y_high = y_range or (y_ticks[0], y_ticks[-1])
    box = _Box(x_low, x_high, y_low, y_high)
    corner = max(box.x_low, box.y_low), min(box.x_high, box.y_high)
    return Chart(
        title=clean(title[:1].upper() + title[1:], limit=200),
        caption=clean(caption),
        x_label=clean(x_label, limit=MAX_NAME),
        y_label=clean(y_label, limit=MAX_NAME),
        x_ticks=tuple(Tick(box.x(v), _number(v)) for v in x_ticks if x_low <= v <= x_high),
        y_ticks=tuple(Tick(box.y(v), _number(v)) for v in y_ticks if y_low <= v <= y_high),
        lines=tuple(_line(s, box, x_label, y_label) for s in drawn),
        reference=None
        if reference is None
        else Tick(box.y(reference[0]), clean(reference[1], limit=MAX_NAME)),
        diagonal=" ".join(_path([box.at(v, v) for v in corner])) if diagonal else "",
    )


@dataclass(frozen=True)
class _Box:
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - self.x_low) / (self.x_high - self.x_low), 1)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(BOTTOM - (BOTTOM - TOP) * share, 1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x(x), self.y(y)


def _x_ends(series: Sequence[Series]) -> tuple[float, float]:
    values = [x for s in series for x, y in zip(s.x, s.y, strict=True) if y is not None]
    return _apart(min(values), max(values))


def _y_ends(series: Sequence[Series], reference: tuple[float, str] | None) -> tuple[float, float]:
    values = [v for s in series for v in (*s.y, *s.low, *s.high) if v is not None]
    values += [] if reference is None else [reference[0]]
    return _apart(min(values), max(values))


def _apart(low: float, high: float) -> tuple[float, float]:
    """An axis needs a length: a constant lies in the middle of one."""
    if high - low > 1e-9 * max(1.0, abs(low)):
        return low, high
    half = 0.05 * max(abs(low), 1.0)
    return low - half, high + half


def _ticks(low: float, high: float, n: int, *, whole: bool = False) -> list[float]:
    """Round numbers, the first at or below ``low`` and the last at or above ``high``."""
    locator = MaxNLocator(nbins=n, steps=[1, 2, 2.5, 5, 10], integer=whole)
    near_zero = 1e-6 * (high - low)
    found = [float(v) for v in locator.tick_values(low, high)]
    return [0.0 if abs(v) < near_zero else round(v, 12) for v in found]


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


def _line(series: Series, box: _Box, x_label: str, y_label: str) -> Line:
    points = [None if y is None else box.at(x, y) for x, y in zip(series.x, series.y, strict=True)]
    hints = series.hints or [
        "" if y is None else f"{x_label} {x:.4g}, {y_label} {y:.4g}"
        for x, y in zip(series.x, series.y, strict=True)
    ]
    name = clean(series.name, limit=MAX_NAME)
    tips = [clean(hint, limit=200) for hint, p in zip(hints, points, strict=True) if p is not None]
    defined = [p for p in points if p is not None]
    scatter = bool(series.sizes)
    shares = [s for s, p in zip(series.sizes, points, strict=True) if p] if scatter else []
    style = f"s{series.colour % N_COLOURS}" + (" dashed" if series.dashed else "")
    dotted = series.dots and not scatter
    return Line(
        name=name,
        style=style + (" scatter" if scatter else ""),
        path=" ".join(_path(points)),
        band=_band(series, box),
        dots="".join(f"M{x:g} {y:g}h0" for x, y in defined) if dotted else "",
        circles=tuple(
            (x, y, round(max(2.0, MAX_RADIUS * math.sqrt(share)), 1))
            for (x, y), share in zip(defined, shares, strict=False)
        ),
        tips=tuple(tips),
    )


def _path(points: Sequence[tuple[float, float] | None]) -> list[str]:
    """``M`` after a gap, ``L`` otherwise."""
    commands = []
    joined = False
    for point in points:
        if point is not None:
            commands.append(f"{'L' if joined else 'M'}{point[0]:g} {point[1]:g}")
        joined = point is not None
    return commands


def _band(series: Series, box: _Box) -> str:
    """Closed outline of the intervals; points without one are left out."""
    ends = [
        (x, low, high)
        for x, low, high in zip(series.x, series.low, series.high, strict=False)
        if low is not None and high is not None
    ]
    if len(ends) < 2:
        return ""
    outline = [box.at(x, low) for x, low, _ in ends]
    outline += [box.at(x, high) for x, _, high in reversed(ends)]
    return " ".join(_path(outline)) + "Z"
