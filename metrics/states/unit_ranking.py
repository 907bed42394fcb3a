"""Which units to ablate first, ranked on some images and measured on others; what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import (
    FloatArray,
    IntArray,
    Labels,
    at_least,
    between,
    binary_labels,
    codes,
    refuse,
)
from metrics.core.estimate import Estimate
from metrics.core.folds import grouped_folds
from metrics.core.limits import too_few_answers, too_few_images
from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import Basis, logistic_path
from metrics.states.probes import MIN_PER_CLASS


@dataclass(frozen=True)
class RankingVerdict:
    """Whether what was chosen decides the answer, read from the intervals."""

    word: Literal["bottleneck", "distributed", "cannot tell"]
    reason: str


def image_folds(
    strata: Labels, groups: Labels, *, rng: np.random.Generator, n_folds: int = 5
) -> IntArray:
    r"""Fold of each sample; an image is in one fold only.

    .. math:: f(i) = f(j) \text{ wherever } g(i) = g(j)

    with the strata in proportion. No direction. Range: integers 0 … n_folds − 1.

    Parameters
    ----------
    strata : sequence, length n_samples
        What is to be in proportion: whether the answer is right; any label where that is unknown.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the split.
    n_folds : int, default 5
        Number of folds, at least 2.

    Returns
    -------
    int64 array, shape (n_samples,)

    Raises
    ------
    UndefinedMetricError
        If there are fewer images than folds.
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §5: ranked on the training folds only, measured on the others.

    Examples
    --------
    >>> folds = image_folds([0, 1, 0, 1], ["a", "a", "b", "c"], rng=np.random.default_rng(0),
    ...                     n_folds=2)
    >>> bool(folds[0] == folds[1]), sorted(set(folds.tolist()))
    (True, [0, 1])
    """
    at_least("image_folds", "n_folds", n_folds, 2)
    group = codes("image_folds", "groups", groups, len(strata))
    n_groups = np.unique(group).size
    if n_groups < n_folds:
        raise UndefinedMetricError(f"{n_groups} images for {n_folds} folds")
    stratum = codes("image_folds", "strata", strata, len(strata))
    return grouped_folds(stratum, group, n_folds=n_folds, rng=rng)


def probe_weights(
    states: NDArray[np.floating],
    correct: ArrayLike,
    *,
    C: float = 1e-2,
    min_per_class: int = MIN_PER_CLASS,
) -> FloatArray:
    r"""Weights of an L2 logistic probe of correctness, per standard deviation of each unit.

    .. math:: w = \arg\min_w \tfrac12 \|w\|^2 + C \sum_i \ell(y_i, w^\top z_i + b)

    with :math:`z` the standardised states. No direction: a unit is ranked by :math:`|w|`. Range:
    unbounded; 0 for a unit that does not vary.

    Parameters
    ----------
    states : float array, shape (n_samples, n_units)
        Of the training images only.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is right.
    C : float, default 1e-2
        Inverse strength of the penalty.
    min_per_class : int, default 20
        Fewest right and fewest wrong answers to rank on.

    Returns
    -------
    float array, shape (n_units,)

    Raises
    ------
    UndefinedMetricError
        If right or wrong answers are too few, or no unit varies.
    ValueError
        If an argument is malformed.

    References
    ----------
    arXiv 2605.08200 ranks "probe neurons" by the weight of a probe fitted on all data.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> states = rng.normal(size=(200, 5))
    >>> states[:, 3] += 2 * correct
    >>> int(np.abs(probe_weights(states, correct)).argmax())
    3
    """
    function = "probe_weights"
    label = binary_labels(function, "correct", correct)
    with np.errstate(over="ignore"):  # beyond float32 is not finite either
        x = np.asarray(states, dtype=np.float32)
    n_bad = int(x.size - np.isfinite(x).sum())
    if n_bad:
        raise refuse(function, "states", "finite", f"{n_bad} non-finite of {x.size}")
    if x.ndim != 2 or len(x) != label.size:
        raise refuse(function, "states", f"of shape ({label.size}, n_units)", f"shape {x.shape}")
    for name, n in (("right", int(label.sum())), ("wrong", int((~label).sum()))):
        if n < min_per_class:
            raise UndefinedMetricError(
                f"{n} {name} answers to rank units on, {min_per_class} are needed"
            )
    basis = Basis.fit(x, None)
    if basis is None:
        raise UndefinedMetricError("no unit varies")
    ((coefficients, _),) = logistic_path(basis.transform(x), label, (C,))
    varies: FloatArray = (basis.inverse_scale > 0).astype(np.float64)
    return basis.to_input(coefficients) * varies


def ranking_verdict(
    drop: Estimate,
    gap: Estimate,
    *,
    n_groups: int,
    n_correct: int,
    n_errors: int,
    margin: float = 0.05,
) -> RankingVerdict:
    r"""Whether the units ranked highest decide the answer, read from two intervals.

    .. math:: \text{bottleneck}: g_{high} < -m; \qquad \text{distributed}: d_{low} > -m

    with :math:`g` the accuracy without the ranked units less that without as many random ones,
    :math:`d` the accuracy without the ranked units less the clean one, :math:`m` the margin. If
    neither holds, the data cannot tell. Where no answer changed, nothing varies and
    :math:`d_{low} = -3 / n_{groups}` (rule of three). No verdict below 20 images, where intervals
    are too short, nor below 30 right or wrong answers. No direction. Range: the three words.

    Parameters
    ----------
    drop : Estimate
        :math:`d`, e.g. at a tenth of the units.
    gap : Estimate
        :math:`g` at the same dose, from `control_gap`.
    n_groups : int
        Number of images.
    n_correct, n_errors : int
        Right and wrong answers without intervention.
    margin : float in (0, 1], default 0.05
        The smallest change of accuracy that matters.

    Returns
    -------
    RankingVerdict
        With the figures it rests on. An undefined estimate is "cannot tell" with its reason.

    Raises
    ------
    ValueError
        If the margin is out of range.

    References
    ----------
    arXiv 2605.08200 contrasts fragile bottlenecks with distributed reliability by point values;
    reading it from intervals is ours. Hanley and Lippman-Hand (1983), JAMA 249, rule of three.

    Examples
    --------
    >>> ranking_verdict(
    ...     Estimate(-0.30, -0.36, -0.24, 0.03, None), Estimate(-0.28, -0.35, -0.21, 0.03, None),
    ...     n_groups=100, n_correct=300, n_errors=100,
    ... ).word
    'bottleneck'
    """
    between("ranking_verdict", "margin", margin, 0, 1)
    for name, count in (("n_groups", n_groups), ("n_correct", n_correct), ("n_errors", n_errors)):
        at_least("ranking_verdict", name, count, 1 if name == "n_groups" else 0)
    few = too_few_images(n_groups) or too_few_answers(n_correct, n_errors)
    for reason in (drop.reason, gap.reason, few):
        if reason is not None:
            return RankingVerdict("cannot tell", reason)
    points = 100 * margin
    shown = f"{_points(drop)} against clean, {_points(gap)} against random units"
    if gap.high is not None and gap.high < -margin:
        return RankingVerdict("bottleneck", f"{shown}: more than {points:g} points below random")
    low = drop.low if drop.stderr else -3 / n_groups
    if low is not None and low > -margin:
        return RankingVerdict("distributed", f"{shown}: less than {points:g} points lost")
    if drop.value == 0 and (not drop.stderr or drop.note):
        shown += f", no answer changed in {n_groups} images"
    why = f"{shown}: neither clearly above nor below {points:g} points"
    return RankingVerdict("cannot tell", why)


def _points(estimate: Estimate) -> str:
    value, low, high = (100 * (v or 0.0) for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
