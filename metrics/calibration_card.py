"""Calibration of one probability, each figure with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from metrics._bins import bin_of_each
from metrics._checks import BoolArray, FloatArray, IntArray, binary_labels, refuse
from metrics._estimate import Estimate, estimate_from_replicates
from metrics._resampling import Weights, blocks, weighted_mean
from metrics.calibration import brier_loss, brier_skill_score, expected_calibration_error
from metrics.errors import UndefinedMetricError

ECE_NOTE = "interval reflected on the squared scale: a resampled ECE is biased upwards"


@dataclass(frozen=True)
class CalibrationEstimates:
    """Whether a probability comes true, with intervals; ``brier_skill`` needs both classes."""

    ece: Estimate
    ece_equal_mass: Estimate
    brier: Estimate
    brier_skill: Estimate


def calibration_estimates(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    weights: Weights,
    n_bins: int = 15,
    level: float = 0.95,
) -> CalibrationEstimates:
    r"""ECE, equal-mass ECE, Brier loss and Brier skill with intervals over resampled groups.

    .. math:: \left[\sqrt{2 E^2 - q_{1-\alpha/2}^2}, \sqrt{2 E^2 - q_{\alpha/2}^2}\right], \qquad
        q \text{ of } E^*_1, \dots, E^*_B

    for the ECE :math:`E`, a negative difference counting as 0 and the interval widened to hold
    :math:`E`; percentile intervals for the others. Why: the noise of each bin adds to E, and a
    resample adds as much again. In squares this is additive, so reflecting the squares takes it
    off; a percentile interval would exclude 0 for a perfectly calibrated probability. Bins are
    those of the whole sample in every resample. No direction: a description; the direction of each
    figure is that of `expected_calibration_error`, `brier_loss` (lower is better) and
    `brier_skill_score` (higher is better). Range: that of each figure.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
    n_bins : int, default 15
        Number of bins.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    CalibrationEstimates
        Four estimates.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1] or another argument is malformed.

    References
    ----------
    Method §7; the reflected interval: Davison and Hinkley (1997), section 5.2, on the scale of
    squares (ours).

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> rng = np.random.default_rng(0)
    >>> prob = rng.random(2000)
    >>> weights = cluster_weights(range(2000), n_resamples=200, rng=rng)
    >>> found = calibration_estimates(rng.random(2000) < prob, prob, weights=weights)
    >>> found.ece.low, found.ece.value < found.ece.high < 0.08
    (0.0, True)
    """
    expected_calibration_error(y_true, y_prob, n_bins=n_bins)  # refuses what is malformed
    correct = binary_labels("calibration_estimates", "y_true", y_true)
    if weights.ndim != 2 or weights.shape[1] != correct.size:
        legal = f"(n_resamples, {correct.size})"
        raise refuse("calibration_estimates", "weights", legal, f"shape {weights.shape}")
    prob = np.asarray(y_prob, np.float64)
    loss = (prob - correct) ** 2
    brier, accuracy = weighted_mean(np.stack([loss, correct.astype(np.float64)]), weights.T)
    return CalibrationEstimates(
        _ece(correct, prob, weights, n_bins, level, equal_mass=False),
        _ece(correct, prob, weights, n_bins, level, equal_mass=True),
        estimate_from_replicates(brier_loss(correct, prob), brier, weights=weights, level=level),
        _skill(correct, prob, brier, accuracy, weights, level),
    )


def _ece(
    correct: BoolArray,
    prob: FloatArray,
    weights: Weights,
    n_bins: int,
    level: float,
    *,
    equal_mass: bool,
) -> Estimate:
    value = expected_calibration_error(correct, prob, n_bins=n_bins, equal_mass=equal_mass)
    bin_, _ = bin_of_each(prob, n_bins, equal_mass=equal_mass)
    replicates = _gap_replicates(correct, prob, bin_, weights.T)
    return _reflected(estimate_from_replicates(value, replicates, weights=weights, level=level))


def _gap_replicates(
    correct: BoolArray, prob: FloatArray, bin_: IntArray, weights: Weights
) -> FloatArray:
    shape = (int(bin_.max()) + 1, prob.size)
    gap_of_bin = csr_matrix((correct - prob, (bin_, np.arange(prob.size))), shape=shape)
    replicates = np.full(weights.shape[1], np.nan)
    for columns in blocks(weights.shape[1]):
        block = weights[:, columns].astype(np.float64)
        totals = block.sum(axis=0)
        gaps = np.abs(gap_of_bin @ block).sum(axis=0)
        np.divide(gaps, totals, out=replicates[columns], where=totals > 0)
    return replicates


def _reflected(found: Estimate) -> Estimate:
    if found.value is None or found.low is None or found.high is None:
        return found
    low, high = (
        math.sqrt(max(0.0, 2 * found.value**2 - end**2)) for end in (found.high, found.low)
    )
    low, high = min(low, found.value), min(1.0, max(high, found.value))
    return replace(found, low=low, high=high, note=ECE_NOTE)


def _skill(
    correct: BoolArray,
    prob: FloatArray,
    brier: FloatArray,
    accuracy: FloatArray,
    weights: Weights,
    level: float,
) -> Estimate:
    try:
        value = brier_skill_score(correct, prob)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    spread, replicates = accuracy * (1 - accuracy), np.full(brier.size, np.nan)
    np.divide(brier, spread, out=replicates, where=spread > 0)
    return estimate_from_replicates(value, 1 - replicates, weights=weights, level=level)
