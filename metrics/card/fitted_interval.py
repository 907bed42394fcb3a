"""Intervals of scores that were fitted on labels: of the frozen scores, and the fit's part."""

from __future__ import annotations

import math
from dataclasses import replace

from metrics.card.samples import LEVEL
from metrics.card.scoring import SignalResult
from metrics.card.statistics import STATISTICS
from metrics.core.clustered import t_interval, t_p_value
from metrics.core.estimate import Estimate
from metrics.fitting.fit_spread import FitSpread

FROZEN = "for the scores as fitted: what another split would change is not in the interval"
SHUFFLED = "shuffled_auroc"  # key of the control among a result's further figures
NO_REPEATS = f"{FROZEN}; the run kept no repeats of the fit"


def with_fit(result: SignalResult, fit: FitSpread) -> SignalResult:
    """Return a result whose AUROCs are about the procedure, not the scores it happened to give.

    The other figures have no such part; their notes say so.
    """
    degrees = result.n_groups - 1
    if result.invalid is not None or result.auroc.value is None:
        return replace(result, fit=fit)
    about = f"the interval is about the whole cross-fit, from {fit.repeats} splits"
    with_p = about if fit.p is None else f"{about}; permutation p {fit.p:.3g}"
    figures = {}
    for statistic in STATISTICS:
        figure = result.figure(statistic.key)
        if figure is None:
            continue
        if statistic.widened_by is None:
            figures[statistic.key] = _noted(figure, FROZEN)
        else:
            note = with_p if statistic.key == "auroc" else about
            added = getattr(fit, statistic.widened_by)
            figures[statistic.key] = _widened(figure, added, degrees, note)
    if fit.shuffled:
        figures[SHUFFLED] = fit.shuffled_auroc
    found = replace(result.with_figures(figures), fit=fit)
    if result.p_value is None:
        return found
    within = found.within_kind_auroc
    tested = found.auroc if within.value is None else within
    return replace(found, p_value=_chance_p(tested, degrees))


def without_repeats(result: SignalResult) -> SignalResult:
    """Return a fitted signal's result of a run that kept no repeats, and say so."""
    found = {s.key: result.figure(s.key) for s in STATISTICS}
    noted = {key: _noted(own, NO_REPEATS) for key, own in found.items() if own is not None}
    return replace(result.with_figures(noted), p_value=None)


def _widened(estimate: Estimate, added: float, degrees: int, note: str) -> Estimate:
    if estimate.value is None or estimate.stderr is None:
        return estimate
    stderr = math.hypot(estimate.stderr, added)
    if not 0 < estimate.value < 1 or added == 0:  # splits agree, or no scale to widen on
        return _noted(estimate, note)
    low, high = t_interval(estimate.value, stderr, degrees, level=LEVEL, scale="logit")
    return _noted(replace(estimate, low=low, high=high, stderr=stderr), note)


def _noted(estimate: Estimate, note: str) -> Estimate:
    if estimate.value is None:
        return estimate
    return replace(estimate, note=note if estimate.note is None else f"{estimate.note}; {note}")


def _chance_p(estimate: Estimate, degrees: int) -> float | None:
    if estimate.value is None or not estimate.stderr:
        return None
    return t_p_value(estimate.value - 0.5, estimate.stderr, degrees)
