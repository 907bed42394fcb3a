"""Figures as a sentence names them: three digits, and the interval beside."""

from __future__ import annotations

from leaderboard.results.arena import Entry
from leaderboard.tables.cells import format_estimate
from metrics.core.estimate import Estimate


def auroc_words(entry: Entry) -> str:
    """The figure that decides, with its name and its interval."""
    found = entry.figure
    what = "AUROC in kind" if entry.task.is_mixed else "AUROC"
    if found.value is None:
        return f"no {what}"
    return f"{what} {format_estimate(found)}"


def percent(found: Estimate) -> str:
    """A share with its interval, in percent."""
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{digits(100 * found.value)} %"
    low, high = digits(100 * found.low), digits(100 * found.high)
    return f"{digits(100 * found.value)} % [{low}, {high}]"


def digits(value: float) -> str:
    """Three significant digits, with the noughts that belong to them."""
    return f"{value:#.3g}".removesuffix(".")


def capital(text: str) -> str:
    """With a capital where the sentence begins."""
    return text[:1].upper() + text[1:]
