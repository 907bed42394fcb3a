"""One signal against one set of labels: the rows of a card."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metrics._checks import BoolArray, FloatArray, IntArray
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._ranking import ranking_replicates
from metrics._samples import Samples
from metrics._selective import Selective, selective_from
from metrics._separation import with_separation_bound
from metrics.bootstrap import auroc_estimate
from metrics.correlation import point_biserial_estimate
from metrics.discrimination import auroc, error_average_precision
from metrics.errors import UndefinedMetricError
from metrics.fit_spread import FitSpread
from metrics.signals import ANY, BOUNDS, BY_NAME, Access
from metrics.validity import check_signal

LEAST_PER_CLASS = 30
LEVEL = 0.95
Description = tuple[str, str, str, Access]
_NOT_COMPUTED = Estimate.undefined("not computed")


@dataclass(frozen=True)
class SignalResult:
    """What one signal is worth.

    Counts are of the samples that carry both a label and this signal; ``n_missing`` labelled ones
    lack it. ``warning`` is set below 30 of either class: read no verdict from the figures.
    ``invalid`` says why the signal was not scored at all. ``within_answer_auroc`` counts pairs of
    the same given answer only; ``selective`` is None unless there are both classes. ``fit`` is
    what fitting adds, of a signal that was fitted on labels: the AUROCs' intervals include it, and
    it holds a permutation p.
    """

    name: str
    label: str
    family: str
    access: Access
    auroc: Estimate
    within_kind_auroc: Estimate
    error_average_precision: Estimate
    n: int
    n_groups: int
    n_errors: int
    n_missing: int
    warning: str | None
    invalid: str | None
    within_answer_auroc: Estimate = _NOT_COMPUTED
    point_biserial: Estimate = _NOT_COMPUTED
    selective: Selective | None = None
    p_value: float | None = None
    fit: FitSpread | None = None


def describe(name: str, *, control: bool = False) -> Description:
    """Return name, label, family and access of a signal."""
    declared = BY_NAME.get(name)
    if control:
        return name, name.replace("_", " "), "control", "control"
    if declared is None:
        return name, name.replace("_", " "), "other", "deployable"
    return name, declared.label, declared.family, declared.access


def score_signal(
    name: str, score: FloatArray, samples: Samples, reason: str | None, *, control: bool = False
) -> SignalResult:
    """Return what one signal is worth, after the validity check."""
    named = describe(name, control=control)
    if reason is None and score.size:
        reason = check_signal(score, bounds=BOUNDS.get(name, ANY))
    if reason is not None:
        return invalid_result(named, reason, samples)
    return scored_result(named, score, samples)


def scored_result(named: Description, score: FloatArray, all_: Samples) -> SignalResult:
    """Return every figure of a score, NaN where missing."""
    present = ~np.isnan(score)
    samples = all_ if present.all() else all_.only(present)
    correct, score, weights = samples.correct, score[present], samples.weights
    n_errors = int((~correct).sum())
    auroc_, precision, selective = _ranked(correct, score, samples)
    return SignalResult(
        *named,
        auroc=auroc_,
        within_kind_auroc=_within(samples.kinds, "one question kind only", score, samples),
        error_average_precision=precision,
        n=correct.size,
        n_groups=samples.n_groups,
        n_errors=n_errors,
        n_missing=int((~present).sum()),
        warning=_warning(correct.size - n_errors, n_errors),
        invalid=None,
        within_answer_auroc=_within(samples.answers, "one given answer only", score, samples),
        point_biserial=point_biserial_estimate(correct, score, weights=weights),
        selective=selective,
    )


def _ranked(
    correct: BoolArray, score: FloatArray, samples: Samples
) -> tuple[Estimate, Estimate, Selective | None]:
    """Return everything that one sort of the score gives."""
    try:
        values = auroc(correct, score), error_average_precision(correct, score)
    except UndefinedMetricError as undefined:
        nothing = Estimate.undefined(str(undefined))
        return nothing, nothing, None
    weights = samples.weights
    replicates = ranking_replicates(correct, score, weights.T)
    of_auroc, of_precision = (
        estimate_from_replicates(value, found, weights=weights, level=LEVEL)
        for value, found in zip(values, (replicates.auroc, replicates.error_precision), strict=True)
    )
    whole = np.zeros(score.size, np.int64)
    selective = selective_from(
        replicates,
        correct,
        score,
        samples.groups,
        weights=weights,
        rng=np.random.default_rng(samples.seed),
        level=LEVEL,
    )
    of_auroc = with_separation_bound(of_auroc, correct, whole, weights, LEVEL)
    return of_auroc, of_precision, selective


def _within(strata: IntArray | None, reason: str, score: FloatArray, samples: Samples) -> Estimate:
    if strata is None:
        return Estimate.undefined("no answers are given")
    if np.unique(strata).size == 1:
        return Estimate.undefined(reason)
    return auroc_estimate(samples.correct, score, weights=samples.weights, kinds=strata)


def invalid_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return the result of a signal that may not be scored."""
    result = undefined_result(named, reason, samples)
    return replace(
        result, n=0, n_groups=0, n_errors=0, n_missing=result.n, warning=None, invalid=reason
    )


def undefined_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return a result without figures, and why."""
    nothing = Estimate.undefined(reason)
    n_errors = int((~samples.correct).sum())
    n = samples.correct.size
    return SignalResult(
        *named, nothing, nothing, nothing, n, samples.n_groups, n_errors, 0,
        _warning(n - n_errors, n_errors), None, nothing, nothing,
    )  # fmt: skip


def _warning(n_correct: int, n_errors: int) -> str | None:
    if min(n_correct, n_errors) >= LEAST_PER_CLASS:
        return None
    which = f"{n_errors} wrong" if n_errors <= n_correct else f"{n_correct} correct"
    return f"{which} answers only: no verdict below {LEAST_PER_CLASS}"
