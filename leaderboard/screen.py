"""What one run's signals are worth: p-values adjusted over all that it screens, and verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from metrics.card import Card, Contrast
from metrics.comparison import benjamini_hochberg
from metrics.signals import FREE

Key = TypeVar("Key", bound=Hashable)
ALPHA = 0.05
Verdict = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True)
class Screen:
    """Benjamini-Hochberg adjusted p-values of one run, over all its benchmarks.

    Attributes
    ----------
    signals
        (task, signal) -> of AUROC 1/2, over every deployable signal that is no copy.
    contrasts
        (task, signal, baseline) -> of no difference; those to controls are one family, those to
        token confidence another.
    """

    signals: Mapping[tuple[str, str], float]
    contrasts: Mapping[tuple[str, str, str], float]


@dataclass(frozen=True)
class Worth:
    """Whether a signal beats every control, and the control that it beats by least."""

    verdict: Verdict
    least: Contrast
    p_value: float | None


def screen_of(cards: Mapping[str, Card]) -> Screen:
    """Adjust the p-values of one run.

    Parameters
    ----------
    cards : mapping of str to Card
        Task -> its card.

    Returns
    -------
    Screen
        Oracles, controls and copies are not in it; neither is what has no verdict.
    """
    signals = {
        (task, signal.name): signal.p_value
        for task, card in cards.items()
        for signal in card.signals
        if signal.access == "deployable" and signal.copy_of is None
    }
    contrasts = {
        (task, c.signal, c.baseline): c.p_value
        for task, card in cards.items()
        for c in card.contrasts
    }
    families = [{k: p for k, p in contrasts.items() if (k[2] == FREE) == free} for free in (0, 1)]
    return Screen(_adjusted(signals), _adjusted(families[0]) | _adjusted(families[1]))


def worth_of(task: str, contrasts: Iterable[Contrast], screen: Screen) -> Worth | None:
    """Whether a signal beats its controls; None where no control has a figure.

    *yes*: higher than each control, each difference told from zero after adjustment over all
    signals, controls and benchmarks of the run. *no*: lower than one of them likewise. Else
    *cannot tell*. Differences are within kinds where they are mixed.

    Parameters
    ----------
    task : str
        The benchmark.
    contrasts : iterable of Contrast
        Of one signal.
    screen : Screen
        Of the run.

    Returns
    -------
    Worth or None
    """
    found = [
        (value, c)
        for c in contrasts
        if c.baseline != FREE and (value := c.decisive.estimate.value) is not None
    ]
    if not found:
        return None
    p_values = [screen.contrasts.get((task, c.signal, c.baseline)) for _, c in found]
    told = [p is not None and p <= ALPHA for p in p_values]
    lowest = min(range(len(found)), key=lambda i: found[i][0])
    verdict: Verdict = "cannot tell"
    if all(told) and found[lowest][0] > 0:
        verdict = "yes"
    elif any(is_told and value < 0 for is_told, (value, _) in zip(told, found, strict=True)):
        verdict = "no"
    return Worth(verdict, found[lowest][1], p_values[lowest])


def _adjusted(p_values: Mapping[Key, float | None]) -> dict[Key, float]:
    known = {key: p for key, p in p_values.items() if p is not None}
    if not known:
        return {}
    adjusted = benjamini_hochberg(list(known.values())).tolist()
    return dict(zip(known, adjusted, strict=True))
