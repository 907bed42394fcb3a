"""One model less another on the same samples: what is hard for both cancels out.

Standard errors are those of the summed influence per image (`metrics.core.clustered`), so nothing
is drawn. DeLong's own test does not apply: two models bring their own labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.comparison.differences import Difference
from metrics.comparison.paired import (
    Pair,
    augrc_influence,
    checked_pairs,
    difference_of_influences,
    strata_of,
)
from metrics.core.checks import (
    Labels,
    codes,
    finite_array,
    finite_differences,
    safe_mean,
    same_length,
)
from metrics.core.clustered import auroc_influence, in_mixed_stratum
from metrics.core.estimate import Estimate
from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.selective import augrc


def paired_mean_difference(
    first: ArrayLike, second: ArrayLike, *, groups: Labels, level: float = 0.95
) -> Difference:
    r"""Mean of one minus mean of the other, on the same samples.

    .. math:: D = \frac{1}{n} \sum_i (u_i - v_i), \qquad \psi_i = (u_i - v_i - D) / n

    with Student's t on the sums of :math:`\psi` over images, G - 1 degrees of freedom.
    No direction: positive favours the first. Range: that of a difference of the values.

    Parameters
    ----------
    first, second : float array, shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.

    Returns
    -------
    Difference
        Undefined with a reason for no samples or one image. Where all samples differ by the same,
        the interval has no width, the note says so, and there is no p-value.

    Raises
    ------
    ValueError
        If a value is not finite or lengths differ.

    References
    ----------
    Method §7; Cameron and Miller (2015), J. Human Resources 50, few clusters.

    Examples
    --------
    >>> right = np.arange(40) % 4 > 0
    >>> found = paired_mean_difference(right, np.arange(40) % 2, groups=range(40))
    >>> found.estimate.value, found.estimate.low > 0
    (0.25, True)
    """
    function = "paired_mean_difference"
    u, v = finite_array(function, "first", first), finite_array(function, "second", second)
    same_length(function, "second", v, u.size)
    group = codes(function, "groups", groups, u.size)
    if not u.size:
        return Difference(Estimate.undefined("no samples"), None, None)
    difference = finite_differences(function, "first, second", u, v)
    value = safe_mean(difference)
    influence = difference / u.size - value / u.size
    return difference_of_influences(value, influence, group, level=level)


def paired_auroc_difference(
    first: Pair,
    second: Pair,
    *,
    groups: Labels,
    kinds: Labels | None = None,
    level: float = 0.95,
    fit_variance: float = 0.0,
) -> Difference:
    r"""AUROC of one minus AUROC of the other, on the same samples.

    .. math:: V = \frac{G}{G - 1} \sum_g \Big(\sum_{i \in g} \psi^1_i - \psi^2_i\Big)^2 + f,
        \qquad D \pm t_{G-1} \sqrt V

    with :math:`\psi` the influence of a sample on each AUROC (DeLong's placements), :math:`G` the
    images with an answer that is compared with another one, and :math:`f` the variance that
    refitting adds. Two signals of one model share their labels; two models bring their own. No
    direction: positive favours the first. Range: :math:`[-1, 1]`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_score), each shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    kinds : sequence, length n_samples, optional
        If given, only pairs within a kind count (`within_kind_auroc`).
    level : float in (0, 1), default 0.95
        Coverage of the interval.
    fit_variance : float, default 0.0
        Variance of the difference that comes from fitting the scores, not from the samples.

    Returns
    -------
    Difference
        Undefined with a reason if either AUROC is, or for one image. Where both order all answers
        alike the standard error is 0, the note says so, and there is no p-value.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Obuchowski (1997), Biometrics 53, clustered ROC curves; DeLong et al. (1988), Biometrics 44. Two
    sets of labels are ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> good, bad = y + rng.normal(size=200), rng.normal(size=200)
    >>> found = paired_auroc_difference((y, good), (y, bad), groups=range(200))
    >>> found.estimate.low > 0, found.p_value < 0.05
    (True, True)
    """
    function = "paired_auroc_difference"
    sides, group = checked_pairs(function, first, second, groups)
    strata = strata_of(function, kinds, group.size)
    try:
        values = [auroc(*s) if kinds is None else within_kind_auroc(*s, kinds) for s in sides]
    except UndefinedMetricError as undefined:
        return Difference(Estimate.undefined(str(undefined)), None, None)
    one, two = (auroc_influence(correct, score, strata)[1] for correct, score in sides)
    rows = np.logical_or(*(in_mixed_stratum(correct, strata) for correct, _ in sides))
    return difference_of_influences(
        values[0] - values[1],
        (one - two)[rows],
        group[rows],
        level=level,
        fit_variance=fit_variance,
    )


def paired_augrc_difference(
    first: Pair,
    second: Pair,
    *,
    groups: Labels,
    level: float = 0.95,
    fit_variance: float = 0.0,
) -> Difference:
    r"""AUGRC of one minus AUGRC of the other, on the same samples.

    .. math:: \psi^G_i = -a (1 - a) \psi^A_i
        + [(1 - A)(1 - 2a) - (1 - a)] \, (y_i - a) / n

    by the delta method from :math:`G = (1 - A) \, a (1 - a) + \tfrac12 (1 - a)^2`, with :math:`A`
    the AUROC and :math:`a` the accuracy; interval and test as in `paired_auroc_difference`. No
    direction: *negative* favours the first, since AUGRC is a risk. Range: :math:`(-1/2, 1/2)`.

    Parameters
    ----------
    first, second : tuple of (y_true, y_score), each shape (n_samples,)
        Rows of both belong to the same samples.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the interval.
    fit_variance : float, default 0.0
        As in `paired_auroc_difference`; an AUROC's times :math:`a^2 (1 - a)^2` for each side.

    Returns
    -------
    Difference
        Undefined or without a p-value as in `paired_auroc_difference`.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Traub et al. (2024), arXiv 2407.01032 (AUGRC); the pairing is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> good, bad = y + rng.normal(size=200), rng.normal(size=200)
    >>> paired_augrc_difference((y, good), (y, bad), groups=range(200)).estimate.high < 0
    True
    """
    sides, group = checked_pairs("paired_augrc_difference", first, second, groups)
    try:
        values = [augrc(*side) for side in sides]
    except UndefinedMetricError as undefined:
        return Difference(Estimate.undefined(str(undefined)), None, None)
    whole = strata_of("paired_augrc_difference", None, group.size)
    one, two = (augrc_influence(side[0], *auroc_influence(*side, whole)) for side in sides)
    return difference_of_influences(
        values[0] - values[1], one - two, group, level=level, fit_variance=fit_variance
    )
