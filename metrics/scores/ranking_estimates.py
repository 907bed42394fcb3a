"""Average precision and areas under the risk curve of one ranking, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.estimate import Estimate
from metrics.scores.discrimination import error_average_precision
from metrics.scores.jackknife import RankingJackknife
from metrics.scores.ranking import RankingReplicates
from metrics.scores.risk_coverage import aurc, e_aurc, prr
from metrics.scores.selective import augrc


@dataclass(frozen=True)
class RankingEstimates:
    """The figures of one ranking that share a jackknife over images."""

    error_average_precision: Estimate
    aurc: Estimate
    e_aurc: Estimate
    augrc: Estimate
    prr: Estimate


def ranking_estimates(
    correct: BoolArray, score: FloatArray, group: IntArray, *, level: float
) -> RankingEstimates:
    """Return all of them; raises UndefinedMetricError as the figures do.

    AP and areas on the logit scale, 1 − PRR on the log scale. A perfect ranking moves nowhere: a
    share of errors as large as `separation_bound` allows may be missed, and lie anywhere.
    """
    found = RankingJackknife(correct, score, group, level)
    values = error_average_precision(correct, score), e_aurc(correct, score), prr(correct, score)
    areas = (
        found.estimate(aurc(correct, score), found.without.aurc, "logit"),
        found.estimate(augrc(correct, score), _augrc(found.without), "logit"),
    )
    if found.whole.auroc[0] == 1:
        return _perfect(found, values, areas)
    precision, excess, ratio = values
    lost = found.estimate(1 - ratio, _lost(found.without), "log")
    return RankingEstimates(
        found.estimate(precision, found.without.error_precision, "logit"),
        areas[0],
        found.estimate(excess, _excess(found.without), "logit"),
        areas[1],
        _complement(lost, prr(correct, -correct.astype(np.float64)), ratio),
    )


def _perfect(
    found: RankingJackknife, values: tuple[float, float, float], areas: tuple[Estimate, Estimate]
) -> RankingEstimates:
    (precision, excess, ratio), miss = values, found.miss
    accuracy = float(found.correct.mean())
    room = miss * (1 - accuracy - aurc(found.correct, found.score))
    generalised = miss * accuracy * (1 - accuracy)
    return RankingEstimates(
        found.perfect(precision, 1 - miss, 1.0),
        found.at_least(areas[0], (areas[0].value or 0) + room),
        found.perfect(excess, 0.0, room),
        found.at_least(areas[1], (areas[1].value or 0) + generalised),
        found.perfect(ratio, 1 - miss, 1.0),
    )


def _excess(of: RankingReplicates) -> FloatArray:
    excess: FloatArray = of.aurc - of.oracle_aurc
    return excess


def _augrc(of: RankingReplicates) -> FloatArray:
    risk = 1 - of.accuracy
    found: FloatArray = (1 - of.auroc) * of.accuracy * risk + risk**2 / 2
    return found


def _lost(of: RankingReplicates) -> FloatArray:
    lost: FloatArray = _excess(of) / (1 - of.accuracy - of.oracle_aurc)
    return lost


def _complement(found: Estimate, worst: float, value: float) -> Estimate:
    """Return one less the figure, at least that of the worst ranking of these answers."""
    if found.low is None or found.high is None:
        return found
    return replace(found, value=value, low=max(worst, 1 - found.high), high=1 - found.low)
