"""The card: everything that is said about one model on one task, by one function.

lmms-eval's headline numbers and the leaderboard both call `evaluate_card`, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import BoolArray, FloatArray, refuse, same_length
from metrics._parts import CalibratedSignal, ConsistencyCard, Fusion
from metrics._scoring import (
    Samples,
    SignalResult,
    describe,
    invalid_result,
    score_signal,
    scored_result,
)
from metrics.answers import normalize_answer
from metrics.bootstrap import Estimate, cluster_weights
from metrics.controls import category_only_scores
from metrics.errors import UndefinedMetricError
from metrics.proportions import effective_sample_size, wilson_interval
from metrics.selective_card import Selective

__all__ = [
    "CalibratedSignal",
    "Card",
    "ConsistencyCard",
    "Fusion",
    "Selective",
    "SignalResult",
    "evaluate_card",
]


@dataclass(frozen=True)
class Card:
    """One model on one task: counts of labelled samples, accuracy, and every signal.

    ``probabilities`` starts with the one to use: the order is fixed beforehand.
    """

    n: int
    n_groups: int
    n_errors: int
    error_rate: float | None
    accuracy: Estimate
    signals: tuple[SignalResult, ...]
    n_unlabelled: int = 0
    probabilities: tuple[CalibratedSignal, ...] = ()
    fusion: tuple[Fusion, ...] = ()
    consistency: ConsistencyCard | None = None


def evaluate_card(
    *,
    correct: ArrayLike,
    groups: Sequence[str],
    kinds: Sequence[str],
    signals: Mapping[str, ArrayLike],
    controls: Mapping[str, ArrayLike] | None = None,
    answers: Sequence[str] | None = None,
    invalid: Mapping[str, str] | None = None,
    rng: np.random.Generator,
    n_resamples: int = 2000,
) -> Card:
    r"""Score every signal of one run on one task.

    .. math:: \mathrm{signal} \mapsto (A, A_w, AP_{error}), \qquad
        A = P(s^+ > s^-) + \tfrac12 P(s^+ = s^-)

    All figures share one set of resamples over images. Unlabelled samples (a split without answers)
    are left out and counted; a signal missing on some samples is scored on the others. Every signal
    passes `check_signal` first. Higher means better separation. Range: each figure in
    :math:`[0, 1]`; undefined ones carry their reason.

    Parameters
    ----------
    correct : float array, shape (n_samples,)
        1, 0, or NaN where there is no label.
    groups, kinds : sequence of str, length n_samples
        Image and question kind of each sample.
    signals : mapping of str to float array, shape (n_samples,)
        Higher = more likely correct; NaN where missing. Names as in `metrics.signals`; others get
        the family "other".
    controls : mapping of str to float array, optional
        Further baselines, shown with access "control".
    answers : sequence of str, length n_samples, optional
        The scored answers; adds the control answer_only.
    invalid : mapping of str to str, optional
        Signal -> why it was rejected; never scored.
    rng : numpy.random.Generator
        Source of resamples and of the controls' folds.
    n_resamples : int, default 2000
        Resamples over groups.

    Returns
    -------
    Card
        Signals in the order given, then controls: those given, answer_only, and kind_only when
        there is more than one kind.

    Raises
    ------
    ValueError
        If lengths differ or a label is not 0, 1 or NaN.

    References
    ----------
    Method §0, §4 and §7.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(200) < 0.6
    >>> card = evaluate_card(
    ...     correct=correct, groups=list(map(str, range(200))), kinds=["all"] * 200,
    ...     signals={"token_confidence": correct + rng.normal(size=200)}, rng=rng, n_resamples=200,
    ... )
    >>> card.n, card.signals[0].family, card.signals[0].auroc.value > 0.6
    (200, 'confidence', True)
    """
    label = np.asarray(correct, dtype=np.float64)
    labelled = _labelled(label)
    for argument, labels in (("groups", groups), ("kinds", kinds), ("answers", answers)):
        if labels is not None:
            same_length("evaluate_card", argument, labels, label.size)
    samples = _samples(label[labelled] == 1, labelled, groups, kinds, rng, n_resamples)
    rejected = dict(invalid or {})
    results = [
        score_signal(name, values, labelled, samples, rejected.pop(name, None))
        for name, values in signals.items()
    ]
    results += [
        invalid_result(describe(name), reason, samples) for name, reason in rejected.items()
    ]
    results += [
        score_signal(name, values, labelled, samples, None, control=True)
        for name, values in (controls or {}).items()
    ]
    results += _category_controls(samples, labelled, answers, rng)
    n_errors = int((~samples.correct).sum())
    return Card(
        n=samples.correct.size,
        n_groups=len(set(samples.groups)),
        n_errors=n_errors,
        error_rate=n_errors / samples.correct.size if samples.correct.size else None,
        accuracy=_accuracy(samples),
        signals=tuple(results),
        n_unlabelled=int((~labelled).sum()),
    )


def _labelled(label: FloatArray) -> BoolArray:
    labelled = ~np.isnan(label)
    odd = label[labelled & (label != 0) & (label != 1)]
    if label.ndim != 1 or odd.size:
        got = f"shape {label.shape}" if label.ndim != 1 else f"{odd[0]:g}"
        raise refuse("evaluate_card", "correct", "a 1-dimensional array of 0, 1 or NaN", got)
    return labelled


def _samples(
    correct: BoolArray,
    labelled: BoolArray,
    groups: Sequence[str],
    kinds: Sequence[str],
    rng: np.random.Generator,
    n_resamples: int,
) -> Samples:
    rows = np.flatnonzero(labelled).tolist()
    group = [groups[i] for i in rows]
    weights = (
        cluster_weights(group, n_resamples=n_resamples, rng=rng)
        if group
        else np.zeros((n_resamples, 0), np.uint16)
    )
    return Samples(correct, group, [kinds[i] for i in rows], weights)


def _accuracy(samples: Samples) -> Estimate:
    """Wilson with the effective sample size; the number of groups where that is undefined."""
    n, n_correct = samples.correct.size, int(samples.correct.sum())
    if n == 0:
        return Estimate.undefined("no labelled samples")
    try:
        effective = effective_sample_size(samples.correct, samples.groups)
    except UndefinedMetricError:
        effective = float(len(set(samples.groups)))
    low, high = wilson_interval(n_correct, n, effective_n=effective)
    p = n_correct / n
    return Estimate(p, low, high, float(np.sqrt(p * (1 - p) / effective)), None)


def _category_controls(
    samples: Samples, labelled: BoolArray, answers: Sequence[str] | None, rng: np.random.Generator
) -> list[SignalResult]:
    categories: dict[str, list[str]] = {}
    if answers is not None:
        categories["answer_only"] = [
            normalize_answer(answers[i]) for i in np.flatnonzero(labelled).tolist()
        ]
    if len(set(samples.kinds)) > 1:
        categories["kind_only"] = samples.kinds
    return [_category_control(name, values, samples, rng) for name, values in categories.items()]


def _category_control(
    name: str, categories: list[str], samples: Samples, rng: np.random.Generator
) -> SignalResult:
    named = describe(name, control=True)
    try:
        scores = category_only_scores(categories, samples.correct, samples.groups, rng=rng)
    except UndefinedMetricError as undefined:
        nothing = Estimate.undefined(str(undefined))
        result = scored_result(named, np.zeros(samples.correct.size), samples)
        return replace(
            result, auroc=nothing, within_kind_auroc=nothing, error_average_precision=nothing
        )
    result = scored_result(named, scores, samples)
    if name == "kind_only":
        constant = Estimate.undefined("constant within every question kind by construction")
        return replace(result, within_kind_auroc=constant)
    return result
