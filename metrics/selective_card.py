"""Selective prediction of one signal, each figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from metrics._estimate import Estimate


@dataclass(frozen=True)
class Selective:
    """What answering only where the signal is high would give.

    ``coverage`` and ``risk`` draw the curve, averaged over ties and thinned to at most 101 points.
    ``accuracy_at_80`` aims at 80 % coverage with thresholds chosen on other images;
    ``reached_80`` is the coverage really reached, which ties push above the aim.
    """

    aurc: Estimate
    e_aurc: Estimate
    augrc: Estimate
    prr: Estimate
    accuracy_at_80: Estimate
    accuracy_at_90: Estimate
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    reached_80: float | None = None
    reached_90: float | None = None
