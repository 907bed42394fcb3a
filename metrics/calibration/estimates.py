"""Calibration of one probability, each figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.calibration.calibration_error import CalibrationError, calibration_error_estimate
from metrics.calibration.miscalibration import MiscalibrationTest, miscalibration_test
from metrics.calibration.reliability import brier_skill_score
from metrics.core.checks import FloatArray, IntArray, Labels, codes, probabilities
from metrics.core.clustered import Scale, clustered_stderr, t_interval
from metrics.core.estimate import Estimate
from metrics.core.limits import LEAST_GROUPS
from metrics.errors import UndefinedMetricError

NO_SPREAD = "no image differs from another in it: no sign of certainty"


@dataclass(frozen=True)
class CalibrationEstimates:
    """Whether a probability comes true; ``brier_skill`` needs both classes."""

    brier: Estimate
    brier_skill: Estimate
    ece: CalibrationError
    ece_equal_mass: CalibrationError
    test: MiscalibrationTest


def calibration_estimates(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: Labels,
    *,
    n_fitted: int = 0,
    n_bins: int = 15,
    level: float = 0.95,
) -> CalibrationEstimates:
    r"""Brier loss and skill, debiased ECE beside its floor, and a test, all over images.

    .. math:: \psi_i^{BS} = \frac{l_i - BS}{n}, \qquad
        \psi_i^{skill} = -\frac{l_i - BS}{n v} + \frac{BS (1 - 2a) (y_i - a)}{n v^2}

    are the influences of a sample with loss :math:`l_i = (p_i - y_i)^2`, with :math:`a` the
    accuracy and :math:`v = a (1 - a)`; summed over images they give the standard errors, and
    intervals use Student's t with G - 1 degrees of freedom, of the Brier loss on the logit scale.
    ECE as in `calibration_error_estimate`, the test as in `miscalibration_test`. No direction: a
    description; the direction of each figure is that of `expected_calibration_error`, `brier_loss`
    (lower is better) and `brier_skill_score` (higher is better). Range: that of each figure.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    groups : sequence, length n_samples
        Image of each sample.
    n_fitted : {0, 1, 2}, default 0
        Parameters of the probability that were fitted on these samples, out of fold: 2 for
        `calibrated_probabilities`.
    n_bins : int, default 15
        Number of bins.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    CalibrationEstimates
        Brier first: it needs no bins. Intervals are undefined for one image.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1] or another argument is malformed.

    References
    ----------
    Method §7; Bradley et al. (2008), Weather and Forecasting 23 (standard errors of the Brier
    score and its skill); Cameron and Miller (2015), J. Human Resources 50 (few clusters).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prob = rng.random(2000)
    >>> found = calibration_estimates(rng.random(2000) < prob, prob, range(2000))
    >>> found.brier_skill.low < 1 / 3 < found.brier_skill.high, found.ece.debiased.low
    (True, 0.0)
    """
    function = "calibration_estimates"
    correct, prob = probabilities(function, y_true, y_prob)
    group = codes(function, "groups", groups, correct.size)
    loss = (prob - correct) ** 2
    brier, accuracy = float(loss.mean()), float(correct.mean())
    influence = (loss - brier) / loss.size
    ece, equal_mass = (
        calibration_error_estimate(
            correct, prob, group, n_bins=n_bins, equal_mass=equal, level=level
        )
        for equal in (False, True)
    )
    return CalibrationEstimates(
        _clustered(brier, influence, group, level, inside=0 < brier < 1),
        _skill(correct.astype(np.float64), prob, influence, accuracy, group, level),
        ece,
        equal_mass,
        miscalibration_test(correct, prob, group, n_fitted=n_fitted),
    )


def _skill(
    correct: FloatArray,
    prob: FloatArray,
    influence: FloatArray,
    accuracy: float,
    group: IntArray,
    level: float,
) -> Estimate:
    try:
        value = brier_skill_score(correct, prob)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    spread = accuracy * (1 - accuracy)
    of_accuracy = (1 - 2 * accuracy) * (correct - accuracy) / correct.size
    own = ((1 - value) * of_accuracy - influence) / spread
    return _clustered(value, own, group, level, inside=False)


def _clustered(
    value: float, influence: FloatArray, group: IntArray, level: float, *, inside: bool
) -> Estimate:
    degrees = int(group.max())
    if degrees < 1:
        return Estimate.undefined("one group only: no interval")
    stderr, note = clustered_stderr(influence, group), None
    if stderr == 0:
        return Estimate(value, value, value, 0.0, None, note=NO_SPREAD)
    if degrees + 1 < LEAST_GROUPS:
        note = f"{degrees + 1} images only: the interval may be too short"
    scale: Scale = "logit" if inside else "identity"
    low, high = t_interval(value, stderr, degrees, level=level, scale=scale)
    return Estimate(value, low, high, stderr, None, note=note)
