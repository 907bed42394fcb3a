"""Selective prediction of one signal, each figure with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import (
    Labels,
    binary_labels,
    codes,
    finite_array,
    level_inside,
    same_length,
)
from metrics.scores.ranking_estimates import ranking_estimates
from metrics.scores.selective_figures import Selective, selective_from

__all__ = ["Selective", "selective_estimates"]


def selective_estimates(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Selective:
    r"""AURC, E-AURC, AUGRC, PRR and accuracy at coverage of one signal, with intervals.

    .. math:: V = \frac{G - 1}{G} \sum_g \big(\theta_{(g)} - \bar\theta\big)^2

    with :math:`\theta_{(g)}` the figure without image g (many images: without one of 400 parts).
    Intervals are by t, with the degrees of `auroc_estimate`, on the logit scale; PRR's on the log
    scale of 1 − PRR. Of a perfect ranking, a share of errors as large as the bound of
    `auroc_estimate` allows may have been missed. Accuracy at coverage has Wilson's interval by t
    over images; its variance includes that the threshold is estimated. No direction: a
    description; the direction of each figure is that of `aurc`, `e_aurc`, `augrc` (lower is better)
    and `prr` (higher is better). Range: that of each figure.

    Parameters
    ----------
    y_true : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    y_score : float array, shape (n_samples,)
        Higher = more likely correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the folds that choose thresholds.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    Selective
        Figures and the curve.

    Raises
    ------
    UndefinedMetricError
        If there is one class only or the score is constant.
    ValueError
        If an argument is malformed.

    References
    ----------
    Method §7; Tukey (1958), Annals of Mathematical Statistics 29, the jackknife; Geifman
    and El-Yaniv (2017), arXiv 1705.08500; Traub et al. (2024), arXiv 2407.01032.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(300) < 0.7
    >>> score = correct + rng.normal(size=300)
    >>> found = selective_estimates(correct, score, range(300), rng=rng)
    >>> found.aurc.low < found.aurc.value < found.aurc.high < 0.3
    True
    """
    function = "selective_estimates"
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, correct.size)
    group = codes(function, "groups", groups, correct.size)
    level_inside(function, level)
    found = ranking_estimates(correct, score, group, level=level)
    return selective_from(found, correct, score, group, rng=rng, level=level)
