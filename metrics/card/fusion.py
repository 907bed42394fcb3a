"""Signals put together: by cross-fitted logistic regression, with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from metrics.card.fitted_interval import with_fit
from metrics.card.parts import Fusion
from metrics.card.samples import N_FOLDS, Samples
from metrics.card.scoring import Description, SignalResult, scored_result, undefined_result
from metrics.core.checks import BoolArray, FloatArray
from metrics.core.folds import balanced_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread, fit_spread
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.logistic import fused_by_fold
from metrics.fitting.only_scores import fusion_columns, labels_and_permutations, p_of_columns
from metrics.fitting.repeats import middle_repeat

# No probe: its out-of-fold score of a training row was fitted on labels of the test fold, and a
# second regression would find that (on pure noise, an AUROC of 0.54 at 200 samples).
SINGLE_PASS = ("attention", "confidence", "lens")
FUSIONS = {
    "fused_single_pass": ("fusion, one pass", SINGLE_PASS),
    "fused_all": ("fusion with samples", (*SINGLE_PASS, "consistency")),
}
MAX_MISSING = 0.10
C = 1.0
N_REPEATS = 10


def fuse(
    results: Sequence[SignalResult],
    columns: Mapping[str, FloatArray],
    samples: Samples,
) -> dict[str, tuple[Fusion, FloatArray]]:
    """Return each fusion and its scores, NaN where a member is missing.

    Members are the valid deployable signals of the families; whatever was fitted on labels, oracles
    and controls never enter. A signal missing on more than 10 % of the samples is left out.
    """
    found = {}
    for name, (label, families) in FUSIONS.items():
        members, left_out = _members(results, families)
        why = _why_not(members, families)
        fusion, scores = _fusion((name, label), members, columns, samples, why)
        found[name] = replace(fusion, left_out=left_out), scores
    return found


def _members(
    results: Sequence[SignalResult], families: tuple[str, ...]
) -> tuple[list[SignalResult], tuple[tuple[str, str], ...]]:
    members, left_out = [], []
    for result in results:
        if result.access != "deployable" or result.family not in families:
            continue
        if result.not_offered is not None:
            continue
        total = result.n + result.n_missing
        if result.invalid is not None:
            left_out.append((result.name, f"INVALID: {result.invalid}"))
        elif result.n_missing > MAX_MISSING * total:
            left_out.append((result.name, f"missing on {result.n_missing} of {total} samples"))
        else:
            members.append(result)
    return members, tuple(left_out)


def _why_not(members: list[SignalResult], families: tuple[str, ...]) -> str | None:
    if "consistency" in families and all(m.family != "consistency" for m in members):
        return "no consistency signal to add"
    return None if len(members) > 1 else f"{len(members)} signal(s), two are needed"


def _fusion(
    named: tuple[str, str],
    members: list[SignalResult],
    columns: Mapping[str, FloatArray],
    samples: Samples,
    why: str | None,
) -> tuple[Fusion, FloatArray]:
    description: Description = (*named, "fusion", "deployable")
    names = tuple(member.name for member in members)
    scores = np.full(samples.correct.size, np.nan)
    try:
        if why is not None:
            raise UndefinedMetricError(why)
        x = np.stack([columns[name] for name in names], axis=1)
        complete: BoolArray = np.logical_and.reduce(np.isfinite(x), axis=1)
        kept = samples.only(complete)
        fused, weights, fit = _repeated(x[complete], kept)
    except UndefinedMetricError as undefined:
        reason = str(undefined)
        result = undefined_result(description, reason, samples)
        return Fusion(*named, names, (), (), result, 0, reason), scores
    scores[complete] = fused
    mean, spread = weights.mean(axis=0), weights.std(axis=0, ddof=1)
    result = with_fit(scored_result(description, scores, samples), fit)
    n_dropped = int((~complete).sum())
    return Fusion(
        *named, names, tuple(mean.tolist()), tuple(spread.tolist()), result, n_dropped, None
    ), scores


def _repeated(x: FloatArray, kept: Samples) -> tuple[FloatArray, FloatArray, FitSpread]:
    """Fuse on several splits: scores and weights of the one in the middle, and the spread."""
    rng = np.random.default_rng(kept.seed)
    folds = [kept.fitting_folds()]  # refuses what cannot be split
    folds += [
        balanced_folds(kept.correct, kept.groups, n_folds=N_FOLDS, rng=rng)
        for _ in range(N_REPEATS - 1)
    ]
    found = [fused_by_fold(x, kept.correct, fold, c=C) for fold in folds]
    scores = np.array([own for own, _ in found])
    chosen = middle_repeat(kept.correct, scores)
    spread = fit_spread(
        kept.correct,
        scores,
        kinds=kept.kinds,
        answers=kept.answers,
        n_folds=N_FOLDS,
        p=_permutation_p(x, kept, rng),
    )
    return found[chosen][0], found[chosen][1], spread


def _permutation_p(x: FloatArray, kept: Samples, rng: np.random.Generator) -> float | None:
    """None where folds that are blind to the labels leave a training part without a class."""
    labels, fold = labels_and_permutations(kept.correct, kept.groups, rng, n_folds=N_FOLDS)
    z = principal_coordinates(x.astype(np.float32), None)
    if z is None:
        return None
    try:
        return p_of_columns(labels, lambda own: fusion_columns(z, own, fold, c=C), width=N_FOLDS)
    except UndefinedMetricError:
        return None
