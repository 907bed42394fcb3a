"""Each signal against what it has to beat, on the samples that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metrics.card.samples import LEVEL, Samples
from metrics.card.scoring import SignalResult
from metrics.comparison.differences import Difference
from metrics.comparison.paired import difference_of_influences
from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.clustered import auroc_influence, in_mixed_stratum
from metrics.core.estimate import Estimate
from metrics.core.limits import LEAST_GROUPS, LEAST_PER_CLASS
from metrics.errors import UndefinedMetricError
from metrics.scores.paired_differences import paired_auroc_difference
from metrics.signals import BY_NAME, FREE


@dataclass(frozen=True)
class Contrast:
    """AUROC of a signal less that of a control, or of token confidence, on the same samples.

    ``within_kind`` counts pairs of one question kind only, and is None where there is one kind.
    ``no_verdict`` says why the figures are shown without a test.
    """

    signal: str
    baseline: str
    difference: Difference
    within_kind: Difference | None
    n: int
    n_groups: int
    n_errors: int
    no_verdict: str | None = None

    @property
    def decisive(self) -> Difference:
        """The difference that decides: within kinds where they are mixed."""
        return self.difference if self.within_kind is None else self.within_kind

    @property
    def p_value(self) -> float | None:
        """Two-sided p-value of the decisive difference, None where no verdict is given."""
        return None if self.no_verdict is not None else self.decisive.p_value


def contrasts_of(
    results: Sequence[SignalResult],
    scores: Mapping[str, FloatArray],
    samples: Samples,
    fit_variance: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Contrast, ...]:
    """Return every deployable result that is no copy, less every control and the free signal.

    A control of one signal alone is no bar for others.

    Scores are NaN where missing. Oracles are not compared: they need the true answer.
    ``fit_variance`` is what fitting a score adds to the variance of its AUROC, over all pairs and
    within kinds; those of a signal and of its baseline add up.
    """
    scored = [r for r in results if r.is_scored and r.name in scores]
    signals = [r.name for r in scored if r.access == "deployable" and r.copy_of is None]
    baselines = [r.name for r in scored if r.access == "control" or r.name == FREE]
    return tuple(
        _contrast(
            (name, scores[name]), (bar, scores[bar]), samples, _added(fit_variance, name, bar)
        )
        for name in signals
        for bar in baselines
        if name != bar and _control_of(bar) in ("", name)
    )


def _control_of(bar: str) -> str:
    return BY_NAME[bar].control_of if bar in BY_NAME else ""


def _contrast(
    signal: tuple[str, FloatArray],
    baseline: tuple[str, FloatArray],
    all_: Samples,
    added: tuple[float, float],
) -> Contrast:
    (name, one), (bar, other) = signal, baseline
    present: BoolArray = np.isfinite(one) & np.isfinite(other)
    samples = all_.only(present)
    scores = one[present], other[present]
    whole = np.zeros(samples.correct.size, np.int64)
    # within a kind, what knows the kind only knows nothing; its folds are no information
    inside = (scores[0], np.zeros(whole.size)) if bar == "kind_only" else scores
    mixed = np.unique(all_.kinds).size > 1
    n_errors = int((~samples.correct).sum())
    return Contrast(
        name,
        bar,
        _difference(scores, whole, samples, added[0]),
        _difference(inside, samples.kinds, samples, added[1]) if mixed else None,
        samples.correct.size,
        samples.n_groups,
        n_errors,
        _no_verdict(samples.correct.size, n_errors, samples.n_groups),
    )


def _difference(
    scores: tuple[FloatArray, FloatArray], strata: IntArray, samples: Samples, added: float
) -> Difference:
    correct, groups = samples.correct, samples.groups
    if not in_mixed_stratum(correct, strata).any():
        return _nothing("no right and wrong answer to compare")
    if _is_constant(scores[0], strata):
        return _nothing("constant score")
    if not _is_constant(scores[1], strata):
        first, second = ((correct, score) for score in scores)
        kinds = strata if strata.any() else None
        try:
            return paired_auroc_difference(
                first, second, groups=groups, kinds=kinds, fit_variance=added
            )
        except UndefinedMetricError as undefined:
            return _nothing(str(undefined))
    # what is constant in each stratum has AUROC 1/2 there, which nothing moves
    rows = in_mixed_stratum(correct, strata)
    value, influence = auroc_influence(correct, scores[0], strata)
    return difference_of_influences(
        value - 0.5, influence[rows], groups[rows], level=LEVEL, fit_variance=added
    )


def _added(
    fit_variance: Mapping[str, tuple[float, float]] | None, name: str, bar: str
) -> tuple[float, float]:
    own, other = ((fit_variance or {}).get(n, (0.0, 0.0)) for n in (name, bar))
    return own[0] + other[0], own[1] + (0.0 if bar == "kind_only" else other[1])


def _is_constant(score: FloatArray, strata: IntArray) -> bool:
    return all(np.ptp(score[strata == stratum]) == 0 for stratum in np.unique(strata))


def _nothing(reason: str) -> Difference:
    return Difference(Estimate.undefined(reason), None, None)


def _no_verdict(n: int, n_errors: int, n_groups: int) -> str | None:
    least = min(n_errors, n - n_errors)
    if least < LEAST_PER_CLASS:
        which = "wrong" if n_errors <= n - n_errors else "right"
        return f"{least} {which} answers only: no verdict below {LEAST_PER_CLASS}"
    return None if n_groups >= LEAST_GROUPS else f"{n_groups} images only: no verdict below 20"
