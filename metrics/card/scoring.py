"""One signal against one set of labels: the rows of a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from metrics.card.samples import Samples
from metrics.card.statistics import STATISTICS, Ranked, Statistic
from metrics.card.statistics.within_kind_auroc import WITHIN_KIND_AUROC
from metrics.core.checks import BoolArray, FloatArray
from metrics.core.estimate import Estimate
from metrics.core.limits import LEAST_PER_CLASS, MAX_MISSING
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread
from metrics.scores.auroc_interval import chance_p_value
from metrics.scores.selective_figures import Selective
from metrics.scores.validity import check_signal
from metrics.signals import ANY, BOUNDS, BY_NAME, Access

Description = tuple[str, str, str, Access]
_NOT_COMPUTED = Estimate.undefined("not computed")


@dataclass(frozen=True)
class SignalResult:
    """What one signal is worth.

    Counts are of the samples that carry both a label and this signal; ``n_missing`` labelled ones
    lack it. ``warning`` is set below 30 of either class: read no verdict from the figures.
    ``invalid`` says why the signal was not scored at all; ``not_offered`` which setting of the run
    left it out, so that nothing has failed; ``by_construction`` why its figures would be no
    estimates. Whatever of them is set, there are no figures. ``within_answer_auroc`` counts pairs
    of the same given answer only; ``selective`` is None unless there are both classes. ``further``
    has the statistics by key that no field is named after; `figure` finds them all.
    ``p_value`` is that of AUROC 1/2, within kinds where they are mixed, unadjusted; None where
    there is no verdict. ``copy_of`` names an earlier signal that ranks all samples alike. ``fit``
    is what fitting adds, of a signal that was fitted on labels: the AUROCs' intervals include it,
    and it holds a permutation p.
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
    not_offered: str | None = None
    by_construction: str | None = None
    p_value: float | None = None
    copy_of: str | None = None
    fit: FitSpread | None = None
    further: Mapping[str, Estimate] = field(default_factory=dict)

    def figure(self, key: str) -> Estimate | None:
        """Return one of `metrics.card.statistics.STATISTICS`; None where it was not computed."""
        found = getattr(self, key, None) or getattr(self.selective, key, None)
        return found or self.further.get(key)

    def with_figures(self, figures: Mapping[str, Estimate]) -> SignalResult:
        """Return a result with other figures, by key."""
        own = {key: new for key, new in figures.items() if key in self.__dataclass_fields__}
        curve = {key: new for key, new in figures.items() if key in Selective.__dataclass_fields__}
        rest = {key: new for key, new in figures.items() if key not in own | curve}
        selective = self.selective and replace(self.selective, **curve)  # type: ignore[arg-type]
        return replace(self, **own, selective=selective, further={**self.further, **rest})  # type: ignore[arg-type]

    @property
    def is_scored(self) -> bool:
        """Whether figures were computed at all; they may still be undefined."""
        return self.invalid is None and self.not_offered is None and self.by_construction is None

    @property
    def is_partial(self) -> bool:
        """Whether so many samples lack it that its figures are about other samples than theirs."""
        return self.n_missing > MAX_MISSING * (self.n + self.n_missing)


_FIELDS = frozenset(SignalResult.__dataclass_fields__)


def describe(name: str, *, control: bool = False) -> Description:
    """Return name, label, family and access of a signal."""
    declared = BY_NAME.get(name)
    if control:
        return name, name.replace("_", " "), "control", "control"
    if declared is None:
        return name, name.replace("_", " "), "other", "deployable"
    return name, declared.label, declared.family, declared.access


def score_signal(
    name: str,
    score: FloatArray,
    samples: Samples,
    reason: str | None,
    *,
    control: bool = False,
    not_offered: str | None = None,
    by_construction: str | None = None,
) -> SignalResult:
    """Return what one signal is worth, after the validity check."""
    named = describe(name, control=control)
    if not_offered is not None and np.isnan(score).all():
        return absent_result(named, not_offered, samples)
    if reason is None and score.size:
        reason = check_signal(score, bounds=BOUNDS.get(name, ANY))
    if reason is not None:
        return invalid_result(named, reason, samples)
    if by_construction is not None:
        return _constructed_result(named, by_construction, samples)
    return scored_result(named, score, samples)


def restates_label(
    name: str, score: FloatArray, correct: BoolArray, n_tokens: Sequence[int | None] | None
) -> str | None:
    """Return why a signal is the label itself, if it is.

    The first token of a greedy answer has the largest logit. So the margin of the true answer's
    first token over all others is positive exactly where that token was given.
    """
    if name != "truth_margin" or n_tokens is None or not np.isfinite(score).any():
        return None
    present = np.isfinite(score)
    if {n for n, own in zip(n_tokens, present, strict=True) if own} == {1}:
        return "every answer is one token, and the sign says if it is the true one"
    if ((score > 0) == correct)[present].all():
        return "the first token decides, and the sign says if it is the true one"
    return None


def scored_result(named: Description, score: FloatArray, all_: Samples) -> SignalResult:
    """Return every figure of a score, NaN where missing."""
    present = ~np.isnan(score)
    samples = all_ if present.all() else all_.only(present)
    correct, score = samples.correct, score[present]
    n_errors = int((~correct).sum())
    warning = _warning(correct.size - n_errors, n_errors)
    ranked = Ranked(score, samples)
    result = undefined_result(named, "not computed", samples)
    result = replace(
        result,
        n_missing=int((~present).sum()),
        selective=_selective(ranked),
        p_value=None if warning else chance_p_value(correct, score, samples.kinds, samples.groups),
    )
    figures = {statistic.key: _computed(statistic, ranked) for statistic in STATISTICS}
    return result.with_figures(figures)


def _computed(statistic: Statistic, ranked: Ranked) -> Estimate:
    try:
        return statistic.compute(ranked)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))


def _selective(ranked: Ranked) -> Selective | None:
    try:
        return ranked.selective
    except UndefinedMetricError:
        return None


def within_kinds(score: FloatArray, samples: Samples) -> Estimate:
    """Return the AUROC within question kinds."""
    return WITHIN_KIND_AUROC.compute(Ranked(score, samples))


def invalid_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return the result of a signal that may not be scored."""
    result = undefined_result(named, reason, samples)
    return replace(
        result, n=0, n_groups=0, n_errors=0, n_missing=result.n, warning=None, invalid=reason
    )


def _constructed_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return the result of an oracle that restates the label."""
    result = undefined_result(named, f"by construction: {reason}", samples)
    return replace(result, by_construction=reason)


def absent_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return the result of a signal that the run was not asked for."""
    result = invalid_result(named, f"not offered: {reason}", samples)
    return replace(result, invalid=None, not_offered=reason)


def undefined_result(named: Description, reason: str, samples: Samples) -> SignalResult:
    """Return a result without figures, and why."""
    nothing = Estimate.undefined(reason)
    n_errors = int((~samples.correct).sum())
    n = samples.correct.size
    return SignalResult(
        *named, nothing, nothing, nothing, n, samples.n_groups, n_errors, 0,
        _warning(n - n_errors, n_errors), None, nothing, nothing,
        further={s.key: nothing for s in STATISTICS if not s.selective and s.key not in _FIELDS},
    )  # fmt: skip


def _warning(n_correct: int, n_errors: int) -> str | None:
    if min(n_correct, n_errors) >= LEAST_PER_CLASS:
        return None
    which = f"{n_errors} wrong" if n_errors <= n_correct else f"{n_correct} correct"
    return f"{which} answers only: no verdict below {LEAST_PER_CLASS}"
