r"""The interval of the accuracy among answers kept by an estimated threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.clustered import clustered_stderr
from metrics.core.estimate import Estimate, joined
from metrics.core.proportions import proportion_estimate
from metrics.core.shares import share_from_influence
from metrics.scores.thresholds import threshold_of

NEAR, LEAST_NEAR = 0.1, 10  # share, and least number, of the samples nearest to a threshold
LEVEL_SHARE = 0.05  # from here on, samples with one score are a level, not a point of a density
BETWEEN = "the threshold may fall on either of two tied scores: the interval holds both"


def kept_accuracy(
    correct: BoolArray,
    score: FloatArray,
    group: IntArray,
    kept: BoolArray,
    *,
    coverage: float,
    level: float,
) -> Estimate:
    """Return the accuracy of the kept, with what the choice of the threshold adds.

    Where scores are tied in levels, the threshold is one of them for certain, or one of two.
    """
    accuracy = float(correct[kept].mean())
    threshold = score[score >= threshold_of(score, coverage)].min()
    if (score == threshold).mean() >= LEVEL_SHARE:
        own = _kept(correct, group, kept, level)
        others = [
            _kept(correct, group, score >= other, level)
            for other in _levels(score, group, threshold, coverage, level)
        ]
        return _hull(own, others)
    if accuracy in (0.0, 1.0):
        return proportion_estimate(correct[kept], group[kept], level=level)
    influence = _influence(correct, score, kept, score >= threshold)
    return share_from_influence(accuracy, influence, group, level=level)


def _kept(correct: BoolArray, group: IntArray, kept: BoolArray, level: float) -> Estimate:
    return proportion_estimate(correct[kept], group[kept], level=level)


def _levels(
    score: FloatArray, group: IntArray, threshold: float, coverage: float, level: float
) -> list[float]:
    """Return the scores that may be the threshold of all images: this one, and its neighbours."""
    n_groups = int(group.max()) + 1
    quantile = float(student.ppf((1 + level) / 2, n_groups - 1))

    def slack(share: BoolArray) -> float:
        return quantile * clustered_stderr((share - share.mean()) / share.size, group)

    found = [threshold]
    at_least, above = score >= threshold, score > threshold
    if not at_least.all() and at_least.mean() - slack(at_least) < coverage:
        found.append(float(score[~at_least].max()))
    if above.any() and above.mean() + slack(above) >= coverage:
        found.append(float(score[above].min()))
    return found


def _hull(own: Estimate, others: list[Estimate]) -> Estimate:
    ends = [(e.low, e.high) for e in (own, *others) if e.low is not None and e.high is not None]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if (low, high) == (own.low, own.high):
        return own
    return replace(own, low=low, high=high, note=joined(own.note, BETWEEN))


def _influence(
    correct: BoolArray, score: FloatArray, kept: BoolArray, above: BoolArray
) -> FloatArray:
    r"""Return the influence of each sample on the accuracy kept, the threshold being estimated.

    .. math:: \psi_i = \frac{k_i (y_i - a) - (m - a) (k_i^\tau - \bar k^\tau)}{n \bar k}

    with :math:`k_i` whether i is kept, :math:`k_i^\tau` (``above``) whether it is at or above the
    threshold :math:`\tau` of all samples, and m the accuracy of those nearest to it: a threshold
    a little lower keeps a few more of these. The density of the score, in the influence of
    a quantile and in what a shift of the threshold costs, cancels.
    """
    n, accuracy = score.size, float(correct[kept].mean())
    distance = np.abs(rankdata(score) - (n - above.sum() + 0.5))
    n_near = min(n, max(round(NEAR * n), LEAST_NEAR))
    near = correct[distance <= np.partition(distance, n_near - 1)[n_near - 1]].mean()
    own = kept * (correct - accuracy) - (near - accuracy) * (above - above.mean())
    influence: FloatArray = own / (n * kept.mean())
    return influence
