"""Tables of sweeps: a summary of each curve, verdicts, and every dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from leaderboard.results.aggregate import Board, RunResult
from leaderboard.results.robustness import Curve, Robustness, common_words
from leaderboard.runs.sweep_columns import CurveKey
from leaderboard.tables.cells import (
    Cell,
    estimate_cell,
    figure,
    format_estimate,
    notes_of,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.table import Block, Table, task_title
from leaderboard.tables.text import MAX_NAME, clean
from metrics.core.limits import LEAST_GROUPS, LEAST_PER_CLASS
from metrics.record.interventions import InterventionWords
from metrics.robustness.curves import CriticalDose
from metrics.states.unit_ranking import RankingVerdict

AREA = (
    "area: normalised area under accuracy over dose, 1 is a curve that stays where it began; Δ: "
    "less the area of as many random tokens or units (a bypass: accuracy less the clean one); "
    "−5 at: dose at which accuracy has fallen by five points, “–” is beyond the largest dose. "
    "95 % intervals over images (Student's t)."
)
VERDICT = (
    "bottleneck: without the tenth of the units that a probe ranks highest, accuracy is more than "
    "5 points below that without a random tenth; distributed: it falls by less than 5 points. Both "
    f"are read from the end of the 95 % interval, and never below {LEAST_GROUPS} images or "
    f"{LEAST_PER_CLASS} right or wrong answers; else the data cannot tell. Units are ranked on "
    "other images than they are ablated on."
)
DOSES = (
    "accuracy with its interval; answers as without intervention; answers that turned wrong and "
    "right, in points; change of the clean answer's mean log-probability; Δ: accuracy less that of "
    "random units or tokens, as many."
)
_T = TypeVar("_T")
_Pairs = Sequence[tuple[RunResult, Robustness]]


def tables(board: Board, task: str) -> list[Table]:
    """Summary of a benchmark's sweeps; for a single run also every dose.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    list of Table
        Empty if no run has swept it.
    """
    pairs = [(run, r.robustness) for run, r in board.of_task(task) if r.robustness is not None]
    if not pairs:
        return []
    found = [_summary(pairs, task)]
    return [*found, _doses(pairs, task)] if len(pairs) == 1 else found


def describe(key: CurveKey, words: InterventionWords) -> str:
    """What a curve is of, without its layer: models of different depth stand in one row."""
    said = [words.what]
    if key.choice != "all":
        said.append(words.choices.get(key.choice, key.choice))
    if words.fills:
        said.append(words.fills.get(key.fill, key.fill))
    return ", ".join(clean(text, limit=MAX_NAME) for text in said)


def _summary(pairs: _Pairs, task: str) -> Table:
    facts = (
        (
            text_cell("n / images / errors"),
            *(text_cell(f"{r.n} / {r.n_groups} / {r.n_errors}") for _, r in pairs),
        ),
        (text_cell("accuracy without"), *(estimate_cell(r.clean) for _, r in pairs)),
    )
    blocks = [Block("", facts)]
    places = _rows([[(_site(name), v) for name, v in r.verdicts] for _, r in pairs])
    verdicts = tuple(
        (text_cell(name), *(_verdict_cell(v) for v in found)) for name, found in places
    )
    if verdicts:
        blocks.append(Block("the tenth ranked highest", verdicts))
    words = _words(pairs)
    curves = _rows(
        [[(_label(c.key, words), c) for c in r.curves if c.key.unit == "share"] for _, r in pairs]
    )
    rows = tuple((text_cell(name, limit=200), *map(_curve_cell, found)) for name, found in curves)
    blocks.append(Block("curves", rows))
    notes = (AREA, VERDICT, *_few_images(pairs))
    columns = ("intervention", *_names(pairs))
    return Table(
        f"robustness-{task}", task_title("Robustness", task), columns, tuple(blocks), notes
    )


def _few_images(pairs: _Pairs) -> list[str]:
    """Runs whose intervals must not be taken at their width."""
    return [
        f"{text_cell(run.label).lines[0]}: {r.n_groups} images only, and below {LEAST_GROUPS} "
        "intervals are too short."
        for run, r in pairs
        if r.n_groups < LEAST_GROUPS
    ]


def _doses(pairs: _Pairs, task: str) -> Table:
    blocks, words = [], _words(pairs)
    for name, found in _rows([[(_label(c.key, words), c) for c in r.curves] for _, r in pairs]):
        doses = sorted({dose for curve in found if curve for dose in curve.doses})
        rows = tuple(
            (text_cell(f"{dose:g}"), *(_dose_cell(curve, dose) for curve in found))
            for dose in doses
        )
        blocks.append(Block(name, rows))
    title = task_title("Every dose", task)
    columns = ("dose", *_names(pairs))
    return Table(f"robustness-doses-{task}", title, columns, tuple(blocks), (DOSES,))


def _words(pairs: _Pairs) -> dict[str, InterventionWords]:
    return common_words(found for _, found in pairs)


def _label(key: CurveKey, words: Mapping[str, InterventionWords]) -> str:
    unit = " (dose: number)" if key.unit == "count" else ""
    return describe(key, words[key.intervention]) + unit


def _site(name: str) -> str:
    """A place without its layer."""
    return name.split(" of layer")[0]


def _names(pairs: _Pairs) -> tuple[str, ...]:
    return tuple(text_cell(run.label).lines[0] for run, _ in pairs)


def _rows(columns: Sequence[Sequence[tuple[str, _T]]]) -> list[tuple[str, list[_T | None]]]:
    """Rows by name; the n-th of a name in a run stands in the name's n-th row."""
    numbered = []
    for column in columns:
        seen: dict[str, int] = {}
        own = {}
        for name, value in column:
            seen[name] = seen.get(name, 0) + 1
            own[name if seen[name] == 1 else f"{name} #{seen[name]}"] = value
        numbered.append(own)
    names = dict.fromkeys(name for own in numbered for name in own)
    return [(name, [own.get(name) for own in numbered]) for name in names]


def _verdict_cell(verdict: RankingVerdict | None) -> Cell:
    if verdict is None:
        return undefined_cell("not swept")
    state = "warning" if verdict.word == "cannot tell" else "value"
    return Cell((verdict.word,), notes=(verdict.reason,), state=state)  # type: ignore[arg-type]


def _curve_cell(curve: Curve | None) -> Cell:
    if curve is None:
        return undefined_cell("not swept")
    lines = [] if curve.key.layer < 0 else [f"layer {curve.key.layer}"]
    if len(curve.doses) == 1 and curve.key.choice == "all":
        drop = curve.drops[0]
        return Cell((*lines, f"Δ {format_estimate(drop)}"), drop.value, notes_of(drop))
    lines.append(f"area {format_estimate(curve.area)}")
    if curve.area_gap is not None:
        lines.append(f"Δ {format_estimate(curve.area_gap)}")
    notes = notes_of(*(e for e in (curve.area, curve.area_gap) if e is not None))
    notes += tuple(
        clean(text) for text in (curve.critical.reason, curve.critical.note)
        if text is not None and clean(text) not in notes
    )  # fmt: skip
    if curve.critical.reason is None:
        lines.append(f"−5 at {_critical(curve.critical)}")
    return Cell(tuple(lines), curve.area.value, notes)


def _critical(found: CriticalDose) -> str:
    value, low, high = (
        "–" if v is None else f"{v:.2f}" for v in (found.value, found.low, found.high)
    )
    return value if (value, low, high) == ("–", "–", "–") else f"{value} [{low}, {high}]"


def _dose_cell(curve: Curve | None, dose: float) -> Cell:
    if curve is None or dose not in curve.doses:
        return undefined_cell("not swept")
    at = curve.doses.index(dose)
    accuracy, agreement, flips = curve.accuracy[at], curve.agreement[at], curve.flips[at]
    lines = [format_estimate(accuracy)]
    same = "–" if agreement.value is None else f"{agreement.value:.3f}"
    turned = [100 * (e.value or 0.0) for e in (flips.lost, flips.gained)]
    more = f"same {same}, −{turned[0]:.1f} +{turned[1]:.1f}"
    if curve.logprob and (fall := curve.logprob[at].value) is not None:
        more += f", log p {figure(fall, '{:+.2f}')}"
    lines.append(more)
    shown = [accuracy, *curve.gaps[at : at + 1]]
    if curve.gaps:
        lines.append(f"Δ {format_estimate(curve.gaps[at])}")
    return Cell(tuple(lines), accuracy.value, notes_of(*shown))
