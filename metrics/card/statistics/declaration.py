"""What the file of a statistic states, and what it is computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from metrics.card.samples import LEVEL, Samples
from metrics.comparison.differences import Difference
from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.estimate import Estimate
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.ranking_estimates import RankingEstimates, ranking_estimates
from metrics.scores.selective_figures import Selective, selective_from

Spread = Literal["stderr", "stderr_within_kind", "stderr_within_answer"]
Place = Literal["run", "selective"]


@dataclass(frozen=True)
class Ranked:
    """One signal against one set of labels, and what its statistics share.

    Attributes
    ----------
    score : float array, shape (n_samples,)
        Finite; higher = more likely correct.
    samples : Samples
        Labels, images, kinds and answers of the same samples, as codes.
    """

    score: FloatArray
    samples: Samples

    @property
    def correct(self) -> BoolArray:
        """The labels, shape (n_samples,)."""
        return self.samples.correct

    @cached_property
    def estimates(self) -> RankingEstimates:
        """Figures of one jackknife; UndefinedMetricError without both classes or for a constant."""
        return ranking_estimates(self.correct, self.score, self.samples.groups, level=LEVEL)

    @cached_property
    def selective(self) -> Selective:
        """Selective prediction, with its curve; raises likewise."""
        return selective_from(
            self.estimates,
            self.correct,
            self.score,
            self.samples.groups,
            rng=np.random.default_rng(self.samples.seed),
            level=LEVEL,
        )

    def within(self, strata: IntArray | None, reason: str) -> Estimate:
        """AUROC over pairs of one stratum only; undefined with ``reason`` if there is one."""
        if strata is None:
            return Estimate.undefined("no answers are given")
        if np.unique(strata).size == 1:
            return Estimate.undefined(reason)
        return auroc_estimate(self.correct, self.score, groups=self.samples.groups, kinds=strata)


@dataclass(frozen=True)
class TwoRuns:
    """One signal in two runs on the same samples; the old run is row 0.

    Attributes
    ----------
    correct, scores : float array, shape (2, n_samples)
        Labels, and the signal.
    groups, kinds : sequence of str, length n_samples
        Image and question kind.
    fit_stderr : float array, shape (2,)
        What fitting adds to the standard error of each run's AUROC; 0 for what is not fitted.
    """

    correct: FloatArray
    scores: FloatArray
    groups: Sequence[str]
    kinds: Sequence[str]
    fit_stderr: FloatArray

    @property
    def strata(self) -> Sequence[str] | None:
        """Question kinds where they are mixed."""
        return self.kinds if len(set(self.kinds)) > 1 else None

    @property
    def old(self) -> tuple[FloatArray, FloatArray]:
        """Labels and scores of the release that stands."""
        return self.correct[0], self.scores[0]

    @property
    def new(self) -> tuple[FloatArray, FloatArray]:
        """Labels and scores of the one that would replace it."""
        return self.correct[1], self.scores[1]


@dataclass(frozen=True)
class Gate:
    """How a release check compares a statistic of two runs.

    Attributes
    ----------
    value
        The figure of one run: labels, scores, and kinds where they are mixed. Raises
        UndefinedMetricError.
    difference
        New less old, paired by sample, with its interval over images.
    detectable
        What its standard error would be under a loss: "auroc" or "augrc", as in
        `detectable_ranking_difference`; None where it does not depend on the loss.
    """

    value: Callable[[FloatArray, FloatArray, Sequence[str] | None], float]
    difference: Callable[[TwoRuns], Difference]
    detectable: Literal["auroc", "augrc"] | None = None


@dataclass(frozen=True)
class Statistic:
    """A figure of one signal on one task.

    Attributes
    ----------
    key
        Its name in CSV, JSON and the tolerances of a release check.
    label
        Head of its column.
    about
        One sentence for the documentation.
    compute
        The figure with its interval; an UndefinedMetricError becomes its reason.
    lower_is_better
        Its direction.
    tables
        Where it has a column: "run", the card of one run; "selective", selective prediction.
    note
        What stands below these tables, if that needs saying.
    selective
        Whether it is part of selective prediction, which there is only with both classes.
    coverage
        What accuracy at coverage aims at.
    widened_by
        Which field of `FitSpread` widens its interval for a signal that was fitted on labels; None:
        the note says that the interval is of the scores as fitted.
    gate
        How two runs are compared in it; None where it is no gate.
    """

    key: str
    label: str
    about: str
    compute: Callable[[Ranked], Estimate]
    lower_is_better: bool = False
    tables: tuple[Place, ...] = ()
    note: str = ""
    selective: bool = False
    coverage: float | None = None
    widened_by: Spread | None = None
    gate: Gate | None = None
