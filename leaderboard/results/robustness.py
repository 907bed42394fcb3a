"""What one run's sweep says: curves with their controls, and a verdict on the ranked units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from leaderboard.runs.read import Run
from leaderboard.runs.sweep_columns import (
    RANDOM,
    Columns,
    CurveKey,
    complete_samples,
    families_of,
    labelled,
    response_of,
    rows_of,
)
from leaderboard.runs.sweep_words import sweep_words
from metrics.comparison.paired_proportions import paired_proportion_difference
from metrics.core.proportions import proportion_estimate
from metrics.record.interventions import InterventionWords
from metrics.record.records import INTERVENTIONS_FILE, OCCLUSION
from metrics.robustness.curves import (
    CriticalDose,
    control_gap,
    dose_at_drop,
    robustness_area,
    robustness_area_difference,
)
from metrics.robustness.dose_response import DoseResponse, Flips, answer_flips
from metrics.scores.bootstrap import Estimate, mean_estimate
from metrics.scores.paired_differences import paired_mean_difference
from metrics.states.unit_ranking import RankingVerdict, ranking_verdict

RANKED = "ranked"
VERDICT_DOSE = 0.10  # share of the units at which the verdict is read, or the next lower one


@dataclass(frozen=True)
class Curve:
    """One curve with everything that is said about it.

    Attributes
    ----------
    key
        What it is of.
    n, n_groups, n_errors
        Samples that all curves of the family have, their images, and the wrong answers among them.
    start
        Accuracy without intervention, of the same samples.
    doses
        Rising; dose 0 is not among them.
    accuracy, agreement, logprob, flips
        One per dose. ``logprob`` is the mean change of the clean answer's log-probability.
    drops
        Accuracy less the clean one, one per dose; a score interval where answers are 0 or 1.
    gaps
        Accuracy less that of the random control; empty for the control itself, or without one.
    area, critical
        Of the accuracy.
    area_gap
        Area less that of the random control; None for the control itself, or without one.
    """

    key: CurveKey
    n: int
    n_groups: int
    n_errors: int
    start: Estimate
    doses: tuple[float, ...]
    accuracy: tuple[Estimate, ...]
    agreement: tuple[Estimate, ...]
    logprob: tuple[Estimate, ...]
    flips: tuple[Flips, ...]
    drops: tuple[Estimate, ...]
    gaps: tuple[Estimate, ...]
    area: Estimate
    critical: CriticalDose
    area_gap: Estimate | None


@dataclass(frozen=True)
class Robustness:
    """One run's sweep on one task.

    Attributes
    ----------
    n, n_groups, n_errors
        Samples that were measured, their images, and wrong answers without intervention.
    clean
        Accuracy of these samples without intervention.
    curves
        In the order of the sweep.
    verdicts
        Site and layer of units -> whether the ranked ones are a bottleneck.
    refused
        What the sweep did not do -> why.
    words
        Intervention -> what is said of it.
    """

    n: int
    n_groups: int
    n_errors: int
    clean: Estimate
    curves: tuple[Curve, ...]
    verdicts: tuple[tuple[str, RankingVerdict], ...]
    refused: tuple[tuple[str, str], ...]
    words: Mapping[str, InterventionWords]

    def curve(self, key: CurveKey) -> Curve | None:
        """The curve of a key, if it was measured."""
        return next((curve for curve in self.curves if curve.key == key), None)


def common_words(found: Iterable[Robustness]) -> dict[str, InterventionWords]:
    """Words of all interventions; where two runs say it differently, the first is heard.

    So the same intervention of two runs stands in one row.
    """
    words: dict[str, InterventionWords] = {}
    for robustness in found:
        words = {**robustness.words, **words}
    return words


def summarise(run: Run, task: str) -> Robustness | None:
    """Evaluate a run's sweep on one task.

    Parameters
    ----------
    run : Run
        A complete run.
    task : str
        One of its tasks.

    Returns
    -------
    Robustness or None
        None if the task has no interventions, or no labels.
    """
    columns = labelled(run.columns_of(INTERVENTIONS_FILE, task=task))
    swept = columns["intervention"] != OCCLUSION  # its doses are the sizes of regions
    columns = {name: values[swept] for name, values in columns.items()}
    if not len(columns["doc_id"]):
        return None
    curves: dict[CurveKey, Curve] = {}
    for family in families_of(columns):
        curves |= _evaluated(columns, family)
    sweep = run.manifest.sweeps.get(task, {})
    refused = dict(sweep.get("refused", {}))
    words = sweep_words(run.manifest, task, [(key.intervention, key.fill) for key in curves])
    places = {
        (key.intervention, key.layer): key for key in curves if words[key.intervention].units
    }.values()
    docs, first = np.unique(columns["doc_id"].astype(str), return_index=True)
    clean, groups = columns["clean_correct"][first], columns["group"][first]
    return Robustness(
        n=len(docs),
        n_groups=len(set(groups.tolist())),
        n_errors=int((clean == 0).sum()),
        clean=proportion_estimate(clean, groups),
        curves=tuple(curves.values()),
        verdicts=tuple(
            (name, _verdict(curves, key, refused.get(f"{RANKED} {name}")))
            for key in places
            for name in [f"{words[key.intervention].units} units of layer {key.layer}"]
        ),
        refused=tuple(refused.items()),
        words=words,
    )


def _evaluated(columns: Columns, family: list[CurveKey]) -> dict[CurveKey, Curve]:
    """Curves of one family, on the samples that all of them have."""
    own = {key: rows_of(columns, key) for key in family}
    kept = [set(complete_samples(rows)) for rows in own.values()]
    docs = [doc for doc in complete_samples(own[family[0]]) if all(doc in some for some in kept)]
    if not docs:
        return {}
    group = dict(zip(columns["doc_id"], columns["group"], strict=True))
    groups = [group[doc] for doc in docs]
    responses = {key: response_of(rows, docs) for key, rows in own.items()}
    control = responses.get(family[0].control)
    return {key: _curve(key, own[key], docs, responses[key], control, groups) for key in family}


def _curve(
    key: CurveKey,
    rows: Columns,
    docs: list[str],
    response: DoseResponse,
    control: DoseResponse | None,
    groups: list[str],
) -> Curve:
    gaps, area_gap = [], None
    if key.choice != RANDOM and control is not None and len(control.doses) == len(response.doses):
        gaps = control_gap(response, control, groups=groups)
        area_gap = robustness_area_difference(response, control, groups=groups).estimate
    agreement = response_of(rows, docs, "agrees")
    scored = {**rows, "change": rows["logprob"] - rows["clean_logprob"]}
    scored = {name: values[np.isfinite(scored["change"])] for name, values in scored.items()}
    change = (
        response_of(scored, docs, "change") if set(complete_samples(scored)) >= set(docs) else None
    )
    return Curve(
        key=key,
        n=len(docs),
        n_groups=len(set(groups)),
        n_errors=int((response.clean == 0).sum()),
        start=proportion_estimate(response.clean, groups),
        doses=tuple(response.doses.tolist()),
        accuracy=_shares(response, groups),
        agreement=_shares(agreement, groups),
        logprob=()
        if change is None
        else tuple(mean_estimate(column, groups=groups) for column in change.correct.T),
        flips=tuple(answer_flips(response, groups=groups)),
        drops=tuple(_drop(after, response.clean, groups) for after in response.correct.T),
        gaps=tuple(gaps),
        area=robustness_area(response, groups=groups),
        critical=dose_at_drop(response, groups=groups),
        area_gap=area_gap,
    )


def _shares(response: DoseResponse, groups: list[str]) -> tuple[Estimate, ...]:
    return tuple(proportion_estimate(column, groups) for column in response.correct.T)


def _drop(after: np.ndarray, clean: np.ndarray, images: list[str]) -> Estimate:
    """Accuracy less the clean one; outcomes that are means over seeds are no proportions."""
    if np.isin(after, (0, 1)).all():
        return paired_proportion_difference(after, clean, groups=images).estimate
    return paired_mean_difference(after, clean, groups=images).estimate


def _verdict(curves: dict[CurveKey, Curve], place: CurveKey, why: str | None) -> RankingVerdict:
    """Read at a tenth of the units, the first fill of the sweep; ``why`` they were not ranked."""
    if why is not None:
        return RankingVerdict("cannot tell", why)
    fills = dict.fromkeys(k.fill for k in curves if k.intervention == place.intervention)
    key = CurveKey(place.intervention, place.layer, next(iter(fills)), "share", RANKED)
    curve = curves.get(key)
    small = [i for i, dose in enumerate(curve.doses) if dose <= VERDICT_DOSE] if curve else []
    if curve is None or not curve.gaps or not small:
        return RankingVerdict("cannot tell", "no ranked and random dose of a tenth of the units")
    at = small[-1]
    return ranking_verdict(
        curve.drops[at],
        curve.gaps[at],
        n_groups=curve.n_groups,
        n_correct=curve.n - curve.n_errors,
        n_errors=curve.n_errors,
    )
