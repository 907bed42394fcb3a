"""Scores of answers that may be shown, and what a threshold does with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.abstention.betting import counts_of, lower_bound, upper_bound
from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    binary_labels,
    codes,
    refuse,
    same_length,
)
from metrics.core.estimate import Estimate
from metrics.core.proportions import proportion_estimate
from metrics.errors import UndefinedMetricError


@dataclass(frozen=True)
class RiskAtThreshold:
    """What a threshold does on some answers.

    ``low`` and ``high`` bound the risk, each by itself at the confidence asked for; ``risk`` is
    None where nothing is shown.
    """

    threshold: float
    coverage: Estimate
    risk: float | None
    low: float
    high: float
    n: int
    n_groups: int
    n_shown: int
    n_wrong: int


@dataclass(frozen=True)
class Scored:
    """Labels, scores (−inf where missing) and images as codes."""

    correct: BoolArray
    score: FloatArray
    group: IntArray

    @classmethod
    def of(cls, function: str, y_true: ArrayLike, y_score: ArrayLike, groups: Labels) -> Scored:
        """Check the arguments."""
        correct = binary_labels(function, "y_true", y_true)
        score = np.asarray(y_score, dtype=np.float64)
        same_length(function, "y_score", score, correct.size)
        if score.ndim != 1 or np.isinf(score).any():
            raise refuse(function, "y_score", "finite, or NaN where missing", "something else")
        group = codes(function, "groups", groups, correct.size)
        if not correct.size:
            raise UndefinedMetricError("no samples")
        return cls(correct, np.where(np.isnan(score), -np.inf, score), group)

    def thresholds(self, most: int) -> FloatArray:
        """Return distinct scores in falling order, evenly over the answers, the lowest too."""
        known = np.sort(self.score[np.isfinite(self.score)])[::-1]
        if not known.size:
            raise UndefinedMetricError("no answer has the signal")
        distinct = np.unique(known)[::-1]
        if distinct.size <= most:
            return distinct
        rows = np.ceil(np.linspace(0, known.size, most + 1)[1:]).astype(np.int64) - 1
        return np.unique(known[rows])[::-1]

    def at(self, threshold: float, confidence: float) -> RiskAtThreshold:
        """Return what a threshold does."""
        shown = self.score >= threshold
        counts = counts_of(self.correct, shown, self.group)
        n_shown, n_wrong = int(counts.shown.sum()), int(counts.wrong.sum())
        return RiskAtThreshold(
            threshold=float(threshold),
            coverage=proportion_estimate(shown, self.group),
            risk=n_wrong / n_shown if n_shown else None,
            low=lower_bound(counts, confidence),
            high=upper_bound(counts, confidence),
            n=self.correct.size,
            n_groups=counts.shown.size,
            n_shown=n_shown,
            n_wrong=n_wrong,
        )
