"""Table cells: one quantity each, with its interval, its count and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from leaderboard.tables.text import MAX_NAME, clean
from metrics.card.card import Card, SignalResult
from metrics.scores.bootstrap import Estimate

UNDEFINED = "–"
NOT_OFFERED = "not offered"
NOT_ASKED = "not asked for"
GIVEN = "by construction"
WARNING_MARK = "!"
MAX_REASON = 80
_BROUGHT_BY = re.compile(r"\((\w+=\S*|vrp-leaderboard \w+)\)$")  # a setting, or a command


@dataclass(frozen=True)
class Cell:
    """What one table cell shows.

    Attributes
    ----------
    lines
        Clean text, not yet escaped for any format.
    sort
        Number that the column sorts by, or None.
    notes
        Footnotes of the cell; the table numbers them.
    state
        How the cell is drawn.
    """

    lines: tuple[str, ...]
    sort: float | None = None
    notes: tuple[str, ...] = ()
    state: Literal["value", "warning", "undefined", "invalid"] = "value"


def text_cell(*lines: object, limit: int = MAX_NAME) -> Cell:
    """Cell of plain text, cleaned."""
    return Cell(tuple(clean(line, limit=limit) for line in lines))


def undefined_cell(reason: str) -> Cell:
    """Cell of a figure that does not exist; the reason becomes a footnote."""
    return Cell((UNDEFINED,), notes=(clean(reason),), state="undefined")


def number_cell(value: float | None, form: str = "{:.3f}", *, reason: str = "") -> Cell:
    """Cell of a number without interval, or of none and why."""
    return undefined_cell(reason) if value is None else Cell((figure(value, form),), float(value))


def figure(value: float, form: str = "{:.3f}") -> str:
    """A number as all tables and sentences write it: with a minus, not a hyphen, and none at 0."""
    return form.format(value + 0.0).replace("-", "−")


def format_estimate(estimate: Estimate) -> str:
    """``value [low, high]`` with three decimals, or an en dash."""
    return _interval(estimate, "{:.3f}")


def format_difference(estimate: Estimate) -> str:
    """``+value [low, high]`` with the sign of each, or an en dash."""
    return _interval(estimate, "{:+.3f}")


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return UNDEFINED
    value = figure(estimate.value, form)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{figure(estimate.low, form)}, {figure(estimate.high, form)}]"


def notes_of(*estimates: Estimate, prefix: str = "") -> tuple[str, ...]:
    """Footnotes of estimates, each once: why there is no value, or what an interval is."""
    found = (text for e in estimates for text in (e.reason, e.note) if text is not None)
    return tuple(dict.fromkeys(clean(prefix + text) for text in found))


def estimate_cell(estimate: Estimate) -> Cell:
    """Cell of one estimate; its reason becomes a footnote."""
    reason = notes_of(estimate)
    state: Literal["value", "undefined"] = "undefined" if estimate.value is None else "value"
    return Cell((format_estimate(estimate),), estimate.value, reason, state)


def difference_cell(estimate: Estimate, *below: str) -> Cell:
    """Cell of a difference, and lines below it."""
    cell = estimate_cell(estimate)
    shown = (format_difference(estimate), *below) if estimate.value is not None else cell.lines
    return Cell(shown, cell.sort, cell.notes, cell.state)


def format_p(p_value: float) -> str:
    """``p 0.031``, or ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def signal_cell(
    result: SignalResult, *, mixed: bool, named: bool = False, p_value: float | None = None
) -> Cell:
    """Cell of one signal of one model: AUROC, within-kind AUROC where kinds are mixed.

    Parameters
    ----------
    result : SignalResult
        Of the signal.
    mixed : bool
        Whether the benchmark mixes question kinds.
    named : bool, default False
        Put the signal's name on top.
    p_value : float, optional
        Adjusted, of AUROC 1/2.

    Returns
    -------
    Cell
    """
    head = (clean(result.label, limit=MAX_NAME),) if named else ()
    if result.invalid is not None:
        return Cell((*head, "INVALID", clean(result.invalid, limit=MAX_REASON)), state="invalid")
    absent = (absence(result.not_offered or ""), result.not_offered)
    for words, why in (absent, (GIVEN, result.by_construction)):
        if why is not None:
            return Cell((*head, words), notes=(clean(why),), state="undefined")
    notes = list(notes_of(result.auroc))
    first = format_estimate(result.auroc)
    if result.warning and result.auroc.value is not None:
        first += f" {WARNING_MARK}"
        notes.append(clean(result.warning))
    lines = [*head, first]
    if mixed and result.auroc.value is not None:
        lines.append(f"in kind {format_estimate(result.within_kind_auroc)}")
        notes += notes_of(result.within_kind_auroc, prefix="in kind: ")
    if p_value is not None:
        lines.append(format_p(p_value))
    if result.n_missing:
        lines.append(f"n {result.n}/{result.n + result.n_missing}")
    return Cell(tuple(lines), result.auroc.value, tuple(notes), _state(result))


def absence(reason: str) -> str:
    """*Not asked for* where the reason ends with what would bring it, else *not offered*."""
    return NOT_ASKED if _BROUGHT_BY.search(reason) else NOT_OFFERED


def count_cell(card: Card) -> Cell:
    """Labelled samples, images and errors."""
    lines = [f"{card.n} / {card.n_groups} / {card.n_errors}"]
    lines += [f"and {card.n_unlabelled} unlabelled"] if card.n_unlabelled else []
    return Cell(tuple(lines), float(card.n))


def _state(result: SignalResult) -> Literal["value", "warning", "undefined"]:
    if result.auroc.value is None:
        return "undefined"
    return "warning" if result.warning else "value"
