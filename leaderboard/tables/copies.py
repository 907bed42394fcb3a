"""Signals that rank all samples alike stand in one row, under all their names."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.tables.cells import Cell, text_cell, undefined_cell
from leaderboard.tables.table import FITTED
from metrics.card.card import Card, SignalResult
from metrics.signals import BY_NAME


def rows_of(cards: Sequence[Card]) -> dict[str, tuple[str, ...]]:
    """Signals that have a row of their own, and the copies that stand in it.

    A signal stands in another's row if it is its copy in every card that scores it; where cards
    differ it keeps a row, and its cell says what it is a copy of.

    Parameters
    ----------
    cards : sequence of Card
        Of the runs in one table.

    Returns
    -------
    dict of str to tuple of str
        Names of signals, in order of first appearance.
    """
    found: dict[str, list[SignalResult]] = {}
    for card in cards:
        for signal in card.signals:
            found.setdefault(signal.name, []).append(signal)
    leaders = {}
    for name, signals in found.items():
        known = {signal.copy_of for signal in signals if signal.is_scored}
        (leaders[name],) = known if len(known) == 1 else (None,)
    return {
        name: tuple(copy for copy, own in leaders.items() if own == name)
        for name, leader in leaders.items()
        if leader is None
    }


def marked(name: str, label: str) -> str:
    """A signal's label, with a mark where its score was fitted on labels of other images."""
    declared = BY_NAME.get(name)
    return f"{label} {FITTED}" if declared is not None and declared.fitted else label


def name_cell(label: str, copies: Sequence[str]) -> Cell:
    """The name of a row, and those of its copies below."""
    return text_cell(label, *(f"= {copy}" for copy in copies))


def copy_cell(leader: str) -> Cell:
    """Cell of a signal that is a copy in this run, though not in others."""
    return Cell(("copy",), notes=undefined_cell(f"ranks as {leader} does").notes, state="undefined")
