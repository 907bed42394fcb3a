"""The card: everything that is said about one model on one task, by one function.

lmms-eval's headline numbers and the leaderboard both call `evaluate_card`, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from metrics.card.common import NOTHING_COMMON, CommonFigures, common_figures
from metrics.card.consistency import consistency_of
from metrics.card.contrasts import Contrast, contrasts_of
from metrics.card.controls import control_results
from metrics.card.copies import with_copies
from metrics.card.fitted_interval import with_fit, without_repeats
from metrics.card.fusion import fuse
from metrics.card.parts import CalibratedSignal, ConsistencyCard, Fusion
from metrics.card.probabilities import probabilities_of
from metrics.card.samples import Samples
from metrics.card.scoring import (
    SignalResult,
    absent_result,
    describe,
    invalid_result,
    restates_label,
    score_signal,
)
from metrics.core.checks import BoolArray, FloatArray, refuse, same_length
from metrics.core.proportions import proportion_estimate
from metrics.core.steps import Progress, Steps
from metrics.fitting.fit_spread import FitSpread
from metrics.scores.bootstrap import Estimate
from metrics.scores.selective_figures import Selective
from metrics.signals import FITTED

__all__ = [
    "CalibratedSignal",
    "Card",
    "CommonFigures",
    "ConsistencyCard",
    "Contrast",
    "Fusion",
    "Selective",
    "SignalResult",
    "evaluate_card",
]

T = TypeVar("T")
_NO_LABELS = Estimate.undefined("no labelled samples")


@dataclass(frozen=True)
class Card:
    """One model on one task: counts of labelled samples, accuracy, and every signal.

    ``probabilities`` starts with the one to use: the order is fixed beforehand. ``contrasts`` are
    every deployable signal and fusion that is no copy, less every control and token confidence;
    ``common`` holds their AUROCs on the samples that all of them have.
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
    contrasts: tuple[Contrast, ...] = ()
    common: CommonFigures = NOTHING_COMMON

    def signal(self, name: str) -> SignalResult:
        """What one signal or control is worth; raises KeyError, with the names there are."""
        for result in self.signals:
            if result.name == name:
                return result
        names = ", ".join(result.name for result in self.signals)
        raise KeyError(f"the card has no signal {name!r}. It has: {names}.")


def evaluate_card(
    *,
    correct: ArrayLike,
    groups: Sequence[str],
    kinds: Sequence[str],
    signals: Mapping[str, ArrayLike],
    controls: Mapping[str, ArrayLike] | None = None,
    answers: Sequence[str] | None = None,
    prompts: Sequence[str] | None = None,
    n_tokens: Sequence[int | None] | None = None,
    samples: Sequence[Sequence[str]] | None = None,
    probabilities: Mapping[str, ArrayLike] | None = None,
    invalid: Mapping[str, str] | None = None,
    not_offered: Mapping[str, str] | None = None,
    fits: Mapping[str, FitSpread] | None = None,
    rng: np.random.Generator,
    progress: Progress = lambda done, of: None,
) -> Card:
    r"""Score every signal of one run on one task.

    .. math:: \mathrm{signal} \mapsto (A, A_{kind}, A_{answer}, AP_{error}, R, AURC, \dots), \qquad
        A = P(s^+ > s^-) + \tfrac12 P(s^+ = s^-)

    Intervals are over images, by influence functions or a jackknife and t, or Wilson's for shares;
    nothing is resampled. Unlabelled samples (a split without answers) are left out and counted; a
    signal missing on some samples is scored on the others. Every signal passes `check_signal`
    first. Higher means better separation. Range: that of each figure; undefined ones carry their
    reason.

    Two fusions are fitted: ``fused_single_pass`` on all valid deployable signals of the families
    attention, confidence and lens, ``fused_all`` with consistency added. Oracles, controls and what
    was itself fitted on labels (probes, stress tests) never enter: scores of a training row were
    fitted on labels of the test fold, and a second regression finds that. A probability of being
    correct is made by cross-fitted Platt scaling from one signal of each origin, in the order
    fused_all, fused_single_pass, probe, answer_agreement, token_confidence; the probe's is a little
    too good for the same reason (0.01 of AUROC on noise at 240 samples). That order is fixed
    beforehand, by how much each has seen: the first is the one to use, and its figures did not
    choose it.

    What is fitted on labels of the run (probes and stress tests by ``fits``, fusions and controls
    here, on 10 splits) has AUROC intervals about the whole cross-fit at this size, and a
    permutation p; its other figures are for the scores as fitted, and their notes say so.

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
        The scored answers; adds the control answer_only and AUROC within each given answer, both
        after `normalize_answer`.
    prompts : sequence of str, length n_samples, optional
        The questions; adds the control question_only.
    n_tokens : sequence of int or None, length n_samples, optional
        Tokens of each scored answer. Where all have one, or the first of them decides, the sign of
        the oracle truth_margin is the label: AUROC 1 by construction, so none is given.
    samples : sequence of sequence of str, length n_samples, optional
        The K sampled answers, normalised; adds ``consistency``.
    probabilities : mapping of str to float array, optional
        Scores that are probabilities as they stand, NaN where missing; of a signal that is
        invalid, nothing is said.
    invalid : mapping of str to str, optional
        Signal -> why it was rejected; never scored.
    not_offered : mapping of str to str, optional
        Signal -> which setting of the run left it out; where it has no value, that is said instead.
    fits : mapping of str to FitSpread, optional
        Signal -> what fitting adds to the standard error of its AUROC; its interval includes that.
        A probe or stress test without one is said to be frozen. Fusions and the controls made here
        are repeated here.
    rng : numpy.random.Generator
        Source of all folds.
    progress : callable, optional
        Told how many steps of how many are done, before the first and after each.

    Returns
    -------
    Card
        Signals in the order given, then controls: those given, answer_only, kind_only when there
        is more than one kind, question_only.

    Raises
    ------
    ValueError
        If lengths differ, a label is not 0, 1 or NaN, or a probability is outside [0, 1].

    References
    ----------
    Method §0, §4 and §7.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(200) < 0.6
    >>> card = evaluate_card(
    ...     correct=correct, groups=list(map(str, range(200))), kinds=["all"] * 200,
    ...     signals={"probe": correct + rng.normal(size=200)}, rng=rng,
    ... )
    >>> card.n, card.signals[0].family, card.signals[0].auroc.value > 0.6
    (200, 'probe', True)
    """
    label = np.asarray(correct, dtype=np.float64)
    labelled = _labelled(label)
    run = Samples.draw(
        label[labelled] == 1,
        _rows("groups", groups, labelled),
        _rows("kinds", kinds, labelled),
        None if answers is None else _rows("answers", answers, labelled),
        rng=rng,
    )
    asked = None if prompts is None else _rows("prompts", prompts, labelled)
    tokens = None if n_tokens is None else _rows("n_tokens", n_tokens, labelled)
    drawn = None if samples is None else _rows("samples", samples, labelled)
    columns = _columns("signals", signals, labelled)
    rejected, left_out = dict(invalid or {}), dict(not_offered or {})
    step = Steps(progress, len(columns) + 3)  # controls, fusions, comparisons
    results = [
        score_signal(
            name,
            values,
            run,
            rejected.get(name),
            not_offered=left_out.get(name),
            by_construction=restates_label(name, values, run.correct, tokens),
        )
        for name, values in step.after_each(columns.items())
    ]
    results += [
        invalid_result(describe(name), reason, run)
        for name, reason in rejected.items()
        if name not in columns
    ]
    results += [
        absent_result(describe(name), reason, run)
        for name, reason in left_out.items()
        if name not in columns and name not in rejected
    ]
    results = [_as_fitted(result, fits or {}) for result in results]
    bars = _columns("controls", controls or {}, labelled)
    results += [
        score_signal(name, values, run, None, control=True) for name, values in bars.items()
    ]
    made = control_results(run, asked, rng)
    step()
    results += [result for result, _ in made]
    bars |= {result.name: scores for result, scores in made if scores is not None}
    results = with_copies(results, columns)
    valid = {r.name: columns[r.name] for r in results if r.name in columns and r.is_scored}
    fusion = fuse(results, valid, run)
    step()
    fused = {name: scores for name, (part, scores) in fusion.items() if part.reason is None}
    compared = [*results, *(replace(fusion[n][0].result, name=n) for n in fused)]
    stated = _columns("probabilities", probabilities or {}, labelled)
    unscored = {r.name for r in results if not r.is_scored}
    stated = {name: column for name, column in stated.items() if name not in unscored}
    n_errors = int((~run.correct).sum())
    card = Card(
        n=run.correct.size,
        n_groups=run.n_groups,
        n_errors=n_errors,
        error_rate=n_errors / run.correct.size if run.correct.size else None,
        accuracy=proportion_estimate(run.correct, run.groups) if run.correct.size else _NO_LABELS,
        signals=tuple(results),
        n_unlabelled=int((~labelled).sum()),
        probabilities=probabilities_of(valid | fused, stated, run),
        fusion=tuple(part for part, _ in fusion.values()),
        consistency=consistency_of(drawn, valid.get("self_consistency"), run) if drawn else None,
        contrasts=contrasts_of(
            compared,
            valid | bars | fused,
            run,
            {r.name: r.fit.variances for r in compared if r.fit},
        ),
        common=common_figures(compared, valid | fused, run),
    )
    step()
    return card


def _as_fitted(result: SignalResult, fits: Mapping[str, FitSpread]) -> SignalResult:
    if result.name in fits:
        return with_fit(result, fits[result.name])
    return without_repeats(result) if result.name in FITTED else result


def _labelled(label: FloatArray) -> BoolArray:
    labelled = ~np.isnan(label)
    odd = label[labelled & (label != 0) & (label != 1)]
    if label.ndim != 1 or odd.size:
        got = f"shape {label.shape}" if label.ndim != 1 else f"{odd[0]:g}"
        raise refuse("evaluate_card", "correct", "a 1-dimensional array of 0, 1 or NaN", got)
    return labelled


def _rows(argument: str, values: Sequence[T], labelled: BoolArray) -> list[T]:
    same_length("evaluate_card", argument, values, labelled.size)
    return [values[i] for i in np.flatnonzero(labelled).tolist()]


def _columns(
    argument: str, columns: Mapping[str, ArrayLike], labelled: BoolArray
) -> dict[str, FloatArray]:
    picked = {}
    for name, values in columns.items():
        column = np.asarray(values, dtype=np.float64)
        same_length("evaluate_card", f"{argument}[{name}]", column, labelled.size)
        picked[name] = column if labelled.all() else column[labelled]
    return picked
