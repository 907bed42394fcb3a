"""One signal against one set of labels: the rows of a card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import BoolArray, FloatArray, Labels, same_length
from metrics._resampling import Weights
from metrics.bootstrap import Estimate, auroc_estimate, error_average_precision_estimate
from metrics.selective_card import Selective
from metrics.signals import BY_NAME, Access
from metrics.validity import check_signal

LEAST_PER_CLASS = 30
Description = tuple[str, str, str, Access]
_NOT_COMPUTED = Estimate.undefined("not computed")


@dataclass(frozen=True)
class SignalResult:
    """What one signal is worth.

    Counts are of the samples that carry both a label and this signal; ``n_missing`` labelled ones
    lack it. ``warning`` is set below 30 of either class: read no verdict from the figures.
    ``invalid`` says why the signal was not scored at all. ``within_answer_auroc`` counts pairs of
    the same given answer only; ``selective`` is None unless there are both classes.
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


@dataclass(frozen=True)
class Samples:
    """The labelled samples and the resamples that all signals share."""

    correct: BoolArray
    groups: list[str]
    kinds: list[str]
    weights: Weights

    def only(self, rows: BoolArray) -> Samples:
        picked = np.flatnonzero(rows)
        return Samples(
            self.correct[picked],
            [self.groups[i] for i in picked],
            [self.kinds[i] for i in picked],
            self.weights.T[picked].T,
        )


def describe(name: str, *, control: bool = False) -> Description:
    declared = BY_NAME.get(name)
    if control:
        return name, name.replace("_", " "), "control", "control"
    if declared is None:
        return name, name.replace("_", " "), "other", "deployable"
    return name, declared.label, declared.family, declared.access


def score_signal(
    name: str,
    values: ArrayLike,
    labelled: BoolArray,
    samples: Samples,
    reason: str | None,
    *,
    control: bool = False,
) -> SignalResult:
    named = describe(name, control=control)
    same_length("evaluate_card", f"signals[{name}]", np.asarray(values), labelled.size)
    score = np.asarray(values, dtype=np.float64)[labelled]
    if reason is None and score.size:
        reason = check_signal(score)
    if reason is not None:
        return invalid_result(named, reason, samples)
    return scored_result(named, score, samples)


def scored_result(named: Description, score: FloatArray, all_: Samples) -> SignalResult:
    present = ~np.isnan(score)
    samples = all_ if present.all() else all_.only(present)
    correct, score, weights = samples.correct, score[present], samples.weights
    n_errors = int((~correct).sum())
    return SignalResult(
        *named,
        auroc=auroc_estimate(correct, score, weights=weights),
        within_kind_auroc=_within_kind(correct, score, samples.kinds, weights),
        error_average_precision=error_average_precision_estimate(correct, score, weights=weights),
        n=correct.size,
        n_groups=len(set(samples.groups)),
        n_errors=n_errors,
        n_missing=int((~present).sum()),
        warning=_warning(correct.size - n_errors, n_errors),
        invalid=None,
    )


def _within_kind(
    correct: BoolArray, score: FloatArray, kinds: Labels, weights: Weights
) -> Estimate:
    if len(set(kinds)) == 1:
        return Estimate.undefined("one question kind only")
    return auroc_estimate(correct, score, weights=weights, kinds=kinds)


def invalid_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    nothing = Estimate.undefined(reason)
    n_missing = samples.correct.size
    return SignalResult(*named, nothing, nothing, nothing, 0, 0, 0, n_missing, None, reason)


def _warning(n_correct: int, n_errors: int) -> str | None:
    if min(n_correct, n_errors) >= LEAST_PER_CLASS:
        return None
    which = f"{n_errors} wrong" if n_errors <= n_correct else f"{n_correct} correct"
    return f"{which} answers only: no verdict below {LEAST_PER_CLASS}"
