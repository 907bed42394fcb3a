"""Intervals of scores that were fitted on labels: of the frozen scores, and the fit's part."""

from __future__ import annotations

import math
from dataclasses import replace

from metrics.card.scoring import LEVEL, SignalResult
from metrics.core.clustered import t_interval, t_p_value
from metrics.core.estimate import Estimate
from metrics.fitting.fit_spread import FitSpread
from metrics.scores.selective_figures import Selective

FROZEN = "for the scores as fitted: what another split would change is not in the interval"
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
    of_auroc = _widened(result.auroc, fit.stderr, degrees, with_p)
    within = _widened(result.within_kind_auroc, fit.stderr_within_kind, degrees, about)
    answers = _widened(result.within_answer_auroc, fit.stderr_within_answer, degrees, about)
    found = replace(
        _frozen(result, FROZEN),
        auroc=of_auroc,
        within_kind_auroc=within,
        within_answer_auroc=answers,
        fit=fit,
    )
    if result.p_value is None:
        return found
    tested = of_auroc if within.value is None else within
    return replace(found, p_value=_chance_p(tested, degrees))


def without_repeats(result: SignalResult) -> SignalResult:
    """Return a fitted signal's result of a run that kept no repeats, and say so."""
    found = _frozen(result, NO_REPEATS)
    return replace(
        found,
        auroc=_noted(found.auroc, NO_REPEATS),
        within_kind_auroc=_noted(found.within_kind_auroc, NO_REPEATS),
        within_answer_auroc=_noted(found.within_answer_auroc, NO_REPEATS),
        p_value=None,
    )


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


def _frozen(result: SignalResult, note: str) -> SignalResult:
    return replace(
        result,
        error_average_precision=_noted(result.error_average_precision, note),
        point_biserial=_noted(result.point_biserial, note),
        selective=None if result.selective is None else _frozen_curve(result.selective, note),
    )


def _frozen_curve(selective: Selective, note: str) -> Selective:
    return replace(
        selective,
        aurc=_noted(selective.aurc, note),
        e_aurc=_noted(selective.e_aurc, note),
        augrc=_noted(selective.augrc, note),
        prr=_noted(selective.prr, note),
        accuracy_at_80=_noted(selective.accuracy_at_80, note),
        accuracy_at_90=_noted(selective.accuracy_at_90, note),
    )
