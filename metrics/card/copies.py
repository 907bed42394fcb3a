"""Which signals are one and the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from metrics.card.scoring import SignalResult
from metrics.core.checks import FloatArray
from metrics.signals import ORDER

TOLERANCE = 1e-9  # of the largest value: what rounding can do to an order


def with_copies(
    results: Sequence[SignalResult], columns: Mapping[str, FloatArray]
) -> list[SignalResult]:
    """Return the results, each deployable signal that ranks as one declared before it naming it.

    A copy is no finding of its own: −H_s and −H_s / ln S where all grids are alike, or the least
    and the mean log-probability of one token.
    """
    names = [r.name for r in results if r.access == "deployable" and r.is_scored]
    leaders: list[str] = []
    copies: dict[str, str] = {}
    for name in sorted((n for n in names if n in columns), key=lambda n: ORDER.get(n, len(ORDER))):
        same = (n for n in leaders if has_same_order(columns[n], columns[name]))
        leader = next(same, None)
        if leader is None:
            leaders.append(name)
        else:
            copies[name] = leader
    return [replace(r, copy_of=copies.get(r.name)) for r in results]


def has_same_order(one: FloatArray, other: FloatArray) -> bool:
    """Say whether two scores rank the same samples alike, ties included, up to rounding."""
    present = np.isfinite(one)
    if not present.any() or (present != np.isfinite(other)).any():
        return False
    x, y = one[present], other[present]
    return _follows(x, y) and _follows(y, x)


def _follows(x: FloatArray, y: FloatArray) -> bool:
    """Say whether y never falls where x rises, and stays where x stays."""
    order = np.lexsort((y, x))
    step, stays = np.diff(y[order]), np.diff(x[order]) == 0
    slack = TOLERANCE * float(np.abs(y).max())
    return bool((step >= -slack).all() and (step[stays] <= slack).all())
