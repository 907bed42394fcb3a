"""Selective prediction: what answering only where the signal is high would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.card.statistics.declaration import Gate, Statistic, TwoRuns
from metrics.comparison.differences import Difference
from metrics.core.checks import FloatArray
from metrics.scores.paired_differences import paired_augrc_difference
from metrics.scores.selective import augrc


def _augrc(correct: FloatArray, score: FloatArray, _kinds: Sequence[str] | None) -> float:
    return augrc(correct, score)


def _difference(runs: TwoRuns) -> Difference:
    accuracy = runs.correct.mean(axis=1)
    fit_stderr = accuracy * (1 - accuracy) * runs.fit_stderr
    return paired_augrc_difference(
        runs.new, runs.old, groups=runs.groups, fit_variance=float(np.square(fit_stderr).sum())
    )


SELECTIVE: tuple[Statistic, ...] = (
    Statistic(
        "aurc",
        "AURC",
        "area under risk over coverage",
        lambda ranked: ranked.selective.aurc,
        lower_is_better=True,
        tables=("selective",),
        selective=True,
    ),
    Statistic(
        "e_aurc",
        "E-AURC",
        "the same in excess of an oracle",
        lambda ranked: ranked.selective.e_aurc,
        lower_is_better=True,
        tables=("selective",),
        selective=True,
    ),
    Statistic(
        "augrc",
        "AUGRC",
        "mean risk of a silent failure; a random score has half the error rate",
        lambda ranked: ranked.selective.augrc,
        lower_is_better=True,
        tables=("run", "selective"),
        selective=True,
        gate=Gate(_augrc, _difference, "augrc"),
    ),
    Statistic(
        "prr",
        "PRR",
        "prediction rejection ratio: 0 is chance, 1 the oracle",
        lambda ranked: ranked.selective.prr,
        tables=("selective",),
        selective=True,
    ),
    Statistic(
        "accuracy_at_80",
        "accuracy at 80 %",
        "accuracy at 80 % coverage, the threshold chosen on other images",
        lambda ranked: ranked.selective.accuracy_at_80,
        tables=("selective",),
        selective=True,
        coverage=0.8,
    ),
    Statistic(
        "accuracy_at_90",
        "accuracy at 90 %",
        "accuracy at 90 % coverage, likewise",
        lambda ranked: ranked.selective.accuracy_at_90,
        tables=("selective",),
        selective=True,
        coverage=0.9,
    ),
)
