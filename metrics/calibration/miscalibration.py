"""A test of calibration that respects that questions about one image are not independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as fisher

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    codes,
    probabilities,
    refuse,
)
from metrics.core.limits import LEAST_GROUPS, LEAST_PER_CLASS

N_MOMENTS = 3  # level, slope and bend of the residuals
LEVEL_AND_SLOPE = 2  # what Platt scaling fits


@dataclass(frozen=True)
class MiscalibrationTest:
    """Whether the residuals of a probability go with it; undefined figures have a ``reason``."""

    statistic: float | None
    degrees: tuple[int, int] | None
    p_value: float | None
    reason: str | None = None


def miscalibration_test(
    y_true: ArrayLike, y_prob: ArrayLike, groups: Labels, *, n_fitted: int = 0
) -> MiscalibrationTest:
    r"""Score test over images of "stated probabilities come true".

    .. math:: H_0: \; E[(y - p)(1, p, p^2)] = 0, \qquad
        F = \frac{G - k}{k (G - 1)} \, G \, \bar u^\top S^{-1} \bar u, \qquad
        u_g = \sum_{i \in g} (y_i - p_i)(1, p_i, p_i^2)

    with S the covariance of :math:`u` over the G images: Hotelling's test of the level, the slope
    and the bend of the reliability curve. Under the null hypothesis F has Fisher's distribution
    with k and G - k degrees of freedom. Three moments, k = 3; fewer where p has fewer values.
    Probabilities that were Platt-fitted on these samples, out of fold, have level and slope close
    to 0 by construction: ``n_fitted=2`` takes them off k, and the bend is tested. No direction: a
    small p-value refutes calibration, a large one does not prove it. Range: p in :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_prob : float array, shape (n_samples,)
        Probability of being correct, in [0, 1].
    groups : sequence, length n_samples
        Image of each sample.
    n_fitted : {0, 1, 2}, default 0
        Parameters of the probability that were fitted on these samples.

    Returns
    -------
    MiscalibrationTest
        Undefined, with a reason, below 30 right or wrong answers or 20 images, and where nothing
        is left to test.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If a probability is outside [0, 1] or another argument is malformed.

    References
    ----------
    Spiegelhalter (1986), Statistics in Medicine 5; Cox (1958), Biometrika 45 (level and slope);
    Boos (1992), American Statistician 46 (generalised score tests); Hotelling (1931), Annals of
    Mathematical Statistics 2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prob = rng.uniform(0.3, 0.9, 800)
    >>> right = rng.random(800) < prob
    >>> found = miscalibration_test(right, prob, range(800))
    >>> found.degrees, found.p_value > 0.05
    ((3, 797), True)
    >>> miscalibration_test(right, prob + 0.1, range(800)).p_value < 1e-6
    True
    """
    function = "miscalibration_test"
    correct, prob = probabilities(function, y_true, y_prob)
    if n_fitted not in (0, 1, LEVEL_AND_SLOPE):
        raise refuse(function, "n_fitted", "0, 1 or 2", n_fitted)
    group = codes(function, "groups", groups, correct.size)
    n_groups, k = int(group.max()) + 1, min(N_MOMENTS, np.unique(prob).size) - n_fitted
    reason = _too_few(correct, n_groups)
    if reason is None and k < 1:
        reason = "the probability has too few values: nothing is left that was not fitted"
    square = None if reason is not None else _hotelling(correct - prob, prob, group, k + n_fitted)
    if square is None:
        return MiscalibrationTest(None, None, None, reason or "the residuals do not vary")
    statistic = (n_groups - k) / (k * (n_groups - 1)) * square
    degrees = (k, n_groups - k)
    return MiscalibrationTest(statistic, degrees, float(fisher.sf(statistic, *degrees)))


def _too_few(correct: BoolArray, n_groups: int) -> str | None:
    rarer = int(min(correct.sum(), (~correct).sum()))
    if rarer < LEAST_PER_CLASS:
        which = "right" if rarer == correct.sum() else "wrong"
        return f"{rarer} {which} answers only: no test below {LEAST_PER_CLASS}"
    return (
        f"{n_groups} images only: no test below {LEAST_GROUPS}" if n_groups < LEAST_GROUPS else None
    )


def _hotelling(
    residual: FloatArray, prob: FloatArray, group: IntArray, n_moments: int
) -> float | None:
    """T² of the residuals' moments; in an orthonormal basis, which does not change it."""
    powers = np.vander(prob - prob.mean(), n_moments, increasing=True)
    basis = np.linalg.qr(powers / np.linalg.norm(powers, axis=0))[0]
    sums = np.stack([np.bincount(group, weights=residual * column) for column in basis.T], axis=1)
    mean, covariance = sums.mean(axis=0), np.atleast_2d(np.cov(sums.T))
    if np.linalg.matrix_rank(covariance) < n_moments:
        return None
    return float(len(sums) * mean @ np.linalg.solve(covariance, mean))
