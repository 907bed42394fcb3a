"""Intervals over whole groups (images): questions about one image are not independent.

An estimate is either complete (value, interval, standard error) or undefined with its reason.
No interval here is resampled; `cluster_weights` draws resamples for the ranks of `rank_intervals`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import (
    Labels,
    at_least,
    binary_labels,
    codes,
    finite_array,
    level_inside,
    same_length,
    unit_exponent,
    unit_scaled,
)
from metrics.core.clustered import auroc_influence, in_mixed_stratum
from metrics.core.estimate import (
    Estimate,
    estimate_from_influence,
    times_power_of_two,
)
from metrics.core.resampling import Weights
from metrics.errors import UndefinedMetricError
from metrics.scores.auroc_interval import auroc_interval
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.ranking_estimates import ranking_estimates

__all__ = [
    "Estimate",
    "auroc_estimate",
    "cluster_weights",
    "error_average_precision_estimate",
    "mean_estimate",
]


def cluster_weights(groups: Labels, *, n_resamples: int, rng: np.random.Generator) -> Weights:
    r"""Draw how often each sample is in each resample, when whole groups are drawn.

    .. math:: (c_1, \dots, c_G) \sim \mathrm{Multinomial}(G, 1/G), \qquad w_i = c_{g(i)}

    with :math:`g(i)` the group of sample :math:`i`. No direction. Range: integers >= 0.

    Parameters
    ----------
    groups : sequence, length n_samples
        Group (image) of each sample.
    n_resamples : int
        At least 1; 500 give a standard error to 3 %.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    uint16 array, shape (n_resamples, n_samples)
        Weights; a view whose transpose is contiguous. 2,000 × 10,000 take 40 MB.

    Raises
    ------
    UndefinedMetricError
        If there are no samples.
    ValueError
        If ``n_resamples`` < 1.

    References
    ----------
    Field and Welsh (2007), JRSS B 69, the cluster bootstrap.

    Examples
    --------
    >>> weights = cluster_weights(
    ...     ["a", "a", "b"], n_resamples=4, rng=np.random.default_rng(0)
    ... )
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((4, 3), True)
    """
    at_least("cluster_weights", "n_resamples", n_resamples, 1)
    group = codes("cluster_weights", "groups", groups, len(groups))
    if not group.size:
        raise UndefinedMetricError("no samples")
    n_groups = int(group.max()) + 1
    counts = np.empty((n_groups, n_resamples), np.uint16)
    for b in range(n_resamples):
        drawn = rng.integers(0, n_groups, n_groups)
        counts[:, b] = np.bincount(drawn, minlength=n_groups)
    return counts[group].T


def auroc_estimate(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    groups: Labels,
    kinds: Labels | None = None,
    level: float = 0.95,
) -> Estimate:
    r"""AUROC, or within-kind AUROC, with a t interval over images on the logit scale.

    .. math:: \operatorname{logit} A \pm t_f \frac{\sqrt V}{A (1 - A)}, \qquad
        V = \frac{G}{G - 1} \sum_g \Big(\sum_{i \in g} \psi_i\Big)^2

    with :math:`\psi_i` the influence of a sample (DeLong's placements) and G the images that are
    in any pair of a right and a wrong answer. The degrees of freedom f are G − 1, or fewer: 1 / f
    grows by what the images with the rarer class, and the kurtosis of the images' sums, leave less
    (Satterthwaite). Where the value is 1 (or 0), nothing moves it; the interval is then
    :math:`[0.05^{1/m}, 1]`, about :math:`[1 - 3/m, 1]`, with :math:`m` pairs of a right and a wrong
    answer that share no image, and the estimate's note says so. Higher means better separation.
    Range: :math:`[0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    groups : sequence, length n_samples
        Image of each sample.
    kinds : sequence, length n_samples, optional
        If given, only pairs within a kind count (`within_kind_auroc`).
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined with a reason if AUROC is, or if all right or all wrong answers are of one image.
        Its note says where there are few images, and where errors are so few and AUROC so near 1
        that the interval covers about 0.91.

    Raises
    ------
    ValueError
        If an argument is malformed; never for an undefined figure.

    References
    ----------
    Obuchowski (1997), Biometrics 53, clustered DeLong; the degrees of freedom are ours, chosen by
    simulation (docs/statistics.md).

    Examples
    --------
    >>> found = auroc_estimate(
    ...     [1, 1, 1, 1, 0, 0, 0, 0], [9, 7, 6, 2, 8, 3, 1, 0], groups=range(8)
    ... )
    >>> found.value, found.low < found.value < found.high
    (0.75, True)
    """
    function = "auroc_estimate"
    level_inside(function, level)
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    group = codes(function, "groups", groups, correct.size)
    try:
        value = auroc(correct, score) if kinds is None else within_kind_auroc(correct, score, kinds)
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))
    strata = np.zeros(score.size, np.int64)
    if kinds is not None:
        strata = codes(function, "kinds", kinds, score.size)
    paired = in_mixed_stratum(correct, strata)
    _, influence = auroc_influence(correct, score, strata)
    return auroc_interval(
        value, influence[paired], correct[paired], strata[paired], group[paired], level
    )


def error_average_precision_estimate(
    y_true: ArrayLike, y_score: ArrayLike, *, groups: Labels, level: float = 0.95
) -> Estimate:
    r"""Average precision of errors with a jackknife t interval over images.

    .. math:: \operatorname{logit} AP \pm t_f \frac{\sqrt V}{AP (1 - AP)}, \qquad
        V = \frac{G - 1}{G} \sum_g \big(AP_{(g)} - \overline{AP}\big)^2

    with :math:`AP_{(g)}` the figure without image g (many images: without one of 400 parts) and f
    as in `auroc_estimate`. Where AP is 1 the interval is that of a perfect `auroc_estimate`.
    Higher means errors are found earlier; the baseline is the error rate. Range: :math:`(0, 1]`.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined under the same conditions as `auroc_estimate`.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7; Tukey (1958), Annals of Mathematical Statistics 29, the jackknife.

    Examples
    --------
    >>> found = error_average_precision_estimate([0, 1, 0, 1, 1, 1], range(6), groups=range(6))
    >>> round(found.value, 4), found.low < found.value <= found.high
    (0.8333, True)
    """
    function = "error_average_precision_estimate"
    level_inside(function, level)
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, correct.size)
    group = codes(function, "groups", groups, correct.size)
    try:
        return ranking_estimates(correct, score, group, level=level).error_average_precision
    except UndefinedMetricError as undefined:
        return Estimate.undefined(str(undefined))


def mean_estimate(values: ArrayLike, *, groups: Labels, level: float = 0.95) -> Estimate:
    r"""Mean with a t interval over images.

    .. math:: \bar v \pm t_f \sqrt{\frac{G}{G-1} \frac{1}{n^2}
        \sum_g \Big(\sum_{i \in g} (v_i - \bar v)\Big)^2}

    with f = G − 1 degrees of freedom, or fewer where few images carry the variance. No direction.
    Range: that of the values. A constant has a zero-width interval here: for a share
    (accuracy, agreement) use `proportion_estimate`.

    Parameters
    ----------
    values : float array, shape (n_samples,)
        One value per sample.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        Undefined for no samples or one image only. Its note says where there are few images.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Cameron and Miller (2015), J. Human Resources 50, cluster-robust inference.

    Examples
    --------
    >>> found = mean_estimate([1.0, 2.0, 3.0, 6.0], groups="abcd")
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (3.0, -0.437, 6.437)
    """
    level_inside("mean_estimate", level)
    v = finite_array("mean_estimate", "values", values)
    group = codes("mean_estimate", "groups", groups, v.size)
    if not v.size:
        return Estimate.undefined("no samples")
    unit, exponent = unit_scaled(v), unit_exponent(v)  # sums of huge values would overflow
    mean = float(unit.mean())
    found = estimate_from_influence(mean, (unit - mean) / v.size, group, level=level)
    return times_power_of_two(found, exponent)
