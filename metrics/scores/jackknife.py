r"""Intervals of the figures of a ranking: each image is left out in turn.

Average precision and areas under the risk curve have no handy influence function with ties, and
percentiles of resamples cover 0.8 where errors are few. Leaving out image g gives
:math:`\theta_{(g)}`, and

.. math:: V = \frac{G - 1}{G} \sum_g \big(\theta_{(g)} - \bar\theta\big)^2

(Quenouille 1956, Tukey 1958), for t intervals on the scale where the figure is nearly normal. Many
images are left out in `MOST_PARTS` parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import norm

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.clustered import Scale, clustered_degrees
from metrics.core.estimate import (
    Estimate,
    estimate_from_influence,
    few_images,
    joined,
    lone_class,
    near_perfect,
)
from metrics.scores.ranking import LeftOut, RankingReplicates, ranking_replicates
from metrics.scores.separation import NOTE, separation_bound

MOST_PARTS = 400


@dataclass(frozen=True)
class RankingJackknife:
    """One ranking, and the same without each part of its images."""

    correct: BoolArray
    score: FloatArray
    group: IntArray
    level: float

    @cached_property
    def part(self) -> IntArray:
        """Part of the images that each sample is in."""
        image = np.unique(self.group, return_inverse=True)[1]
        return image % MOST_PARTS

    @cached_property
    def without(self) -> RankingReplicates:
        """Figures without each part."""
        return ranking_replicates(self.correct, self.score, LeftOut(self.part))

    @cached_property
    def whole(self) -> RankingReplicates:
        """Figures of all samples, one entry each."""
        ones = np.ones((self.score.size, 1), np.uint16)
        return ranking_replicates(self.correct, self.score, ones)

    @cached_property
    def lone(self) -> tuple[str | None, int]:
        """Why there is no interval, if there is none, and the parts that hold the rarer class."""
        return lone_class(self.correct, self.part)

    def estimate(self, value: float, without: FloatArray, scale: Scale) -> Estimate:
        """Return a figure with its interval, from its values without each part."""
        if self.lone[0] is not None:
            return Estimate.undefined(self.lone[0])
        n = without.size
        influence = (n - 1) / n * (without.mean() - without)
        parts = np.arange(n)
        degrees = clustered_degrees(influence, parts, least_images=self.lone[1])
        found = estimate_from_influence(
            value, influence, parts, level=self.level, scale=scale, degrees=degrees
        )
        rare = near_perfect(float(self.whole.auroc[0]), self.correct)
        return replace(found, note=joined(found.note, rare if self.miss == 0 else None))

    @cached_property
    def miss(self) -> float:
        """Largest share of errors that could be missed, where the ranking is perfect; else 0."""
        if self.whole.auroc[0] < 1 or self.lone[0] is not None:
            return 0.0
        one = np.zeros(self.score.size, np.int64)
        low = separation_bound(1.0, self.correct, one, self.group, self.level).low
        return 0.0 if low is None else 1 - low

    def perfect(self, value: float, low: float, high: float) -> Estimate:
        """Return a figure of a perfect ranking: nothing moves it, these are its bounds."""
        if self.lone[0] is not None:
            return Estimate.undefined(self.lone[0])
        note = joined(few_images(int(self.part.max()) + 1), NOTE)
        return Estimate(value, low, high, _width(low, high, self.level), None, note=note)

    def at_least(self, found: Estimate, high: float) -> Estimate:
        """Return a figure of a perfect ranking whose interval reaches at least to ``high``."""
        if found.low is None or found.high is None or found.stderr is None:
            return found
        high = max(found.high, high)
        stderr = max(found.stderr, _width(found.low, high, self.level))
        return replace(found, high=high, stderr=stderr, note=joined(found.note, NOTE))


def _width(low: float, high: float, level: float) -> float:
    """Return the standard error of a normal interval as wide."""
    return (high - low) / (2 * float(norm.ppf((1 + level) / 2)))
