"""Which signals are drawn before the rest: one of each family, then the highest."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.signals import BY_NAME, FREE

N_FIRST = 8


def first_of(names: Sequence[str]) -> list[str]:
    """Return the eight that stand before the rest.

    Parameters
    ----------
    names : sequence of str
        Signals, the highest first.

    Returns
    -------
    list of str
        In the same order: the free one, the headline of each family, and the highest of the others.
    """
    by_weight = sorted(names, key=lambda name: (name != FREE, not _is_headline(name)))
    chosen = set(by_weight[:N_FIRST])
    return [name for name in names if name in chosen]


def _is_headline(name: str) -> bool:
    return name in BY_NAME and BY_NAME[name].headline
