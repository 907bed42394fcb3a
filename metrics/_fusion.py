"""Signals put together: by cross-fitted logistic regression, with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from metrics._checks import FloatArray
from metrics._parts import Fusion
from metrics._scoring import Samples, SignalResult, scored_result, undefined_result
from metrics.cross_fitting import fused_scores
from metrics.errors import UndefinedMetricError

SINGLE_PASS = ("attention", "confidence", "probe", "lens")
FUSIONS = {
    "fused_single_pass": ("fusion, one pass", SINGLE_PASS),
    "fused_all": ("fusion with samples", (*SINGLE_PASS, "consistency")),
}
MAX_MISSING = 0.10


def fuse(
    results: Sequence[SignalResult],
    columns: Mapping[str, FloatArray],
    samples: Samples,
    rng: np.random.Generator,
) -> dict[str, tuple[Fusion, FloatArray]]:
    """Return each fusion and its scores, NaN where a member is missing.

    Members are the valid deployable signals of the families; supervised stress tests, oracles and
    controls never enter. A signal missing on more than 10 % of the samples is left out.
    """
    found = {}
    for name, (label, families) in FUSIONS.items():
        members, left_out = _members(results, families)
        why = _why_not(members, families)
        fusion, scores = _fusion((name, label), members, columns, samples, rng, why)
        found[name] = replace(fusion, left_out=left_out), scores
    return found


def _members(
    results: Sequence[SignalResult], families: tuple[str, ...]
) -> tuple[list[SignalResult], tuple[tuple[str, str], ...]]:
    members, left_out = [], []
    for result in results:
        if result.access != "deployable" or result.family not in families:
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
    rng: np.random.Generator,
    why: str | None,
) -> tuple[Fusion, FloatArray]:
    description = (*named, "fusion", "deployable")
    names = tuple(member.name for member in members)
    scores = np.full(samples.correct.size, np.nan)
    try:
        if why is not None:
            raise UndefinedMetricError(why)
        complete = np.isfinite(np.stack([columns[name] for name in names])).all(axis=0)
        kept = samples.only(complete)
        fused = fused_scores(
            {name: columns[name][complete] for name in names}, kept.correct, kept.groups, rng=rng
        )
    except UndefinedMetricError as undefined:
        reason = str(undefined)
        result = undefined_result(description, reason, samples)
        return Fusion(*named, names, (), (), result, 0, reason), scores
    scores[complete] = fused.scores
    weights, spread = fused.weights.mean(axis=0), fused.weights.std(axis=0, ddof=1)
    result = scored_result(description, scores, samples)
    n_dropped = int((~complete).sum())
    return Fusion(
        *named, names, tuple(weights.tolist()), tuple(spread.tolist()), result, n_dropped, None
    ), scores
