"""What one run's signals are worth: p-values adjusted over all that it tests, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from metrics.card.card import Card, Contrast
from metrics.comparison.differences import benjamini_hochberg, holm
from metrics.signals import FREE

Key = TypeVar("Key", bound=Hashable)
Verdict = Literal["yes", "no", "cannot tell"]
ALPHA = 0.05


@dataclass(frozen=True)
class Screen:
    """Adjusted p-values of one run, over all its benchmarks.

    Whether a signal tells anything is a screen: Benjamini-Hochberg. That it beats what it has to
    beat is a claim: Holm, so that any false one is rarer than 5 %, however many signals there are.

    Attributes
    ----------
    signals
        (task, signal) -> of AUROC 1/2, over every deployable signal that is no copy.
    contrasts
        (task, signal, baseline) -> of no difference, over the signals compared with that baseline.
    beats, behind
        (task, signal) -> of not being higher than every control, and of not being lower than any.
    """

    signals: Mapping[tuple[str, str], float]
    contrasts: Mapping[tuple[str, str, str], float]
    beats: Mapping[tuple[str, str], float]
    behind: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Worth:
    """Whether a signal beats every control, and the control that it beats by least.

    ``p_value`` is that of the verdict; with *cannot tell*, of what the differences point to.
    """

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
    contrasts: dict[str, dict[tuple[str, str, str], float | None]] = {}
    own: dict[tuple[str, str], list[Contrast]] = {}
    for task, card in cards.items():
        for c in card.contrasts:
            contrasts.setdefault(c.baseline, {})[task, c.signal, c.baseline] = c.p_value
            own.setdefault((task, c.signal), []).append(c)
    judged = {key: with_figure(found) for key, found in own.items()}
    return Screen(
        _adjusted(signals, benjamini_hochberg),
        {key: p for family in contrasts.values() for key, p in _adjusted(family, holm).items()},
        _adjusted({key: p_beats(found) for key, found in judged.items()}, holm),
        _adjusted({key: p_behind(found) for key, found in judged.items()}, holm),
    )


def with_figure(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """Those to controls, as far as they have a difference."""
    return [c for c in contrasts if c.baseline != FREE and c.decisive.estimate.value is not None]


def p_beats(contrasts: Sequence[Contrast]) -> float | None:
    """P-value of "not higher than every one": the largest, since each has to be refuted."""
    if not contrasts or any(c.no_verdict is not None for c in contrasts):
        return None
    return max(_one_way(c, 1) for c in contrasts)


def p_behind(contrasts: Sequence[Contrast]) -> float | None:
    """P-value of "not lower than any": the smallest, times their number (Bonferroni)."""
    if not contrasts or any(c.no_verdict is not None for c in contrasts):
        return None
    return min(1.0, len(contrasts) * min(_one_way(c, -1) for c in contrasts))


def worth_of(task: str, contrasts: Iterable[Contrast], screen: Screen) -> Worth | None:
    """Whether a signal beats its controls; None where no control has a figure.

    *yes*: higher than each control; *no*: lower than one of them; else *cannot tell*. Differences
    are within kinds where they are mixed.

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
    found = with_figure(contrasts)
    if not found:
        return None
    least = min(found, key=_value)
    key = task, least.signal
    beats, behind = screen.beats.get(key), screen.behind.get(key)
    if beats is not None and beats <= ALPHA:
        return Worth("yes", least, beats)
    if behind is not None and behind <= ALPHA:
        return Worth("no", least, behind)
    return Worth("cannot tell", least, beats if _value(least) > 0 else behind)


def _value(contrast: Contrast) -> float:
    value = contrast.decisive.estimate.value
    assert value is not None
    return value


def _one_way(contrast: Contrast, sign: int) -> float:
    """The two-sided p-value where the difference has this sign, else 1."""
    p_value = contrast.p_value
    return p_value if p_value is not None and sign * _value(contrast) > 0 else 1.0


def _adjusted(
    p_values: Mapping[Key, float | None], adjust: Callable[[list[float]], np.ndarray]
) -> dict[Key, float]:
    known = {key: p for key, p in p_values.items() if p is not None}
    if not known:
        return {}
    return dict(zip(known, adjust(list(known.values())).tolist(), strict=True))
