"""The expected calibration error without its noise: what is left of it, and what chance makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from metrics.calibration.gap_inversion import likeliest, limits
from metrics.calibration.gaps import Gaps, gaps_of
from metrics.core.checks import FloatArray, Labels, at_least, between, codes, probabilities
from metrics.core.estimate import Estimate
from metrics.core.limits import LEAST_GROUPS


@dataclass(frozen=True)
class CalibrationError:
    """ECE without its noise, as it is usually printed, and of a perfectly calibrated probability.

    ``debiased`` is 0 where ``plug_in`` is no larger than chance makes it in half of the cases;
    ``noise_floor`` is what chance makes of it on average.
    """

    debiased: Estimate
    plug_in: float
    noise_floor: float


def calibration_error_estimate(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    groups: Labels,
    *,
    n_bins: int = 15,
    equal_mass: bool = False,
    level: float = 0.95,
) -> CalibrationError:
    r"""ECE without the noise of its bins, with an interval, beside the noise floor.

    .. math:: \hat\theta: \; P_\theta(T^* \le T) = \tfrac12, \qquad
        \theta_{low}: \; P_\theta(T^* \ge T) = \tfrac\alpha2, \qquad
        \theta_{high}: \; P_\theta(T^* \le T) = \tfrac\alpha2

    with :math:`T = \sum_b |g_b|` the plug-in ECE of `expected_calibration_error` and :math:`T^*`
    what it would be by chance if the ECE were :math:`\theta`. A perfectly calibrated probability
    has :math:`T > 0`, by the noise of every bin; its mean is the noise floor. So :math:`T` is
    compared with its distribution under each :math:`\theta`: the true gaps are the likeliest with
    :math:`\sum_b |\gamma_b| = \theta`, for the upper limit those that add least noise, and the
    observed ones are normal around them, correlated within images. The estimate is nearly
    median-unbiased, and 0 where :math:`T` is below the median at :math:`\theta = 0`; for the upper
    limit such a :math:`T` counts as that median, since luck makes no certainty. What cancels out
    inside a bin is seen by no ECE. Lower means better calibrated. Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    groups : sequence, length n_samples
        Image of each sample.
    n_bins : int, default 15
        Number of bins.
    equal_mass : bool, default False
        Bins of equal count instead of equal width.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    CalibrationError
        The debiased estimate is undefined for one image; its note says where images are few.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1] or another argument is malformed.

    References
    ----------
    The bias: Kumar et al. (2019), arXiv 1909.10155; Roelofs et al. (2022), arXiv 2012.08668. Limits
    by inversion with the nuisance at its likeliest: Chuang and Lai (2000), Statistica Sinica 10;
    the floor under the upper limit: Cowan et al. (2011), arXiv 1105.3166. Their use here is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prob = rng.random(1000)
    >>> found = calibration_error_estimate(rng.random(1000) < prob, prob, range(1000))
    >>> round(found.plug_in, 3), round(found.noise_floor, 3)
    (0.037, 0.039)
    >>> round(found.debiased.value, 3), found.debiased.low
    (0.0, 0.0)
    """
    function = "calibration_error_estimate"
    correct, prob = probabilities(function, y_true, y_prob)
    at_least(function, "n_bins", n_bins, 1)
    between(function, "level", level, 0, 1 - 1e-12)
    group = codes(function, "groups", groups, correct.size)
    gaps = gaps_of(correct, prob, group, n_bins=n_bins, equal_mass=equal_mass)
    calibrated = gaps.plug_in_given(np.zeros(gaps.gap.size))
    floor, n_groups = float(calibrated.mean()), int(group.max()) + 1
    if n_groups < 2:
        nothing = Estimate.undefined("one group only: no interval")
        return CalibrationError(nothing, gaps.plug_in, floor)
    value, (low, high) = float(np.abs(likeliest(gaps)).sum()), limits(gaps, level)
    low, high = min(low, value), max(high, value)
    stderr = (high - low) / float(2 * norm.ppf((1 + level) / 2))  # that the interval implies
    note = _note(gaps, calibrated, n_groups)
    estimate = Estimate(value, low, high, stderr, None, note=note)
    return CalibrationError(estimate, gaps.plug_in, floor)


def _note(gaps: Gaps, calibrated: FloatArray, n_groups: int) -> str | None:
    said = []
    if gaps.plug_in <= np.median(calibrated):
        said.append("no larger than chance makes it of a perfectly calibrated probability: 0")
    if n_groups < LEAST_GROUPS:
        said.append(f"{n_groups} images only: the interval may be too short")
    return "; ".join(said) or None
