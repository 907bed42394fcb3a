"""Selective prediction of one signal, each figure with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import Labels, binary_labels, codes, finite_array, refuse, same_length
from metrics._ranking import ranking_replicates
from metrics._resampling import Weights
from metrics._selective import Selective, selective_from

__all__ = ["Selective", "selective_estimates"]


def selective_estimates(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: Labels,
    *,
    weights: Weights,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Selective:
    r"""AURC, E-AURC, AUGRC, PRR and accuracy at coverage of one signal, with intervals.

    .. math:: [q_{\alpha/2}, q_{1-\alpha/2}] \text{ of } AURC^*_1, \dots, AURC^*_B

    and so on, from one set of resamples; copies of a sample in a resample are ties. AUGRC follows
    in each resample from its AUROC and accuracy, see `augrc`. Accuracy at coverage has Wilson's
    interval at the effective size of the answers kept, thresholds taken as given. No direction: a
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
    weights : uint16 array, shape (n_resamples, n_samples)
        From `cluster_weights`.
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
    Method §7; Geifman and El-Yaniv (2017), arXiv 1705.08500; Traub et al. (2024), arXiv 2407.01032.

    Examples
    --------
    >>> from metrics.bootstrap import cluster_weights
    >>> rng = np.random.default_rng(0)
    >>> correct = rng.random(300) < 0.7
    >>> weights = cluster_weights(range(300), n_resamples=200, rng=rng)
    >>> score = correct + rng.normal(size=300)
    >>> found = selective_estimates(correct, score, range(300), weights=weights, rng=rng)
    >>> found.aurc.low < found.aurc.value < found.aurc.high < 0.3
    True
    """
    function = "selective_estimates"
    correct = binary_labels(function, "y_true", y_true)
    score = finite_array(function, "y_score", y_score)
    same_length(function, "y_score", score, correct.size)
    group = codes(function, "groups", groups, correct.size)
    if weights.ndim != 2 or weights.shape[1] != group.size:
        raise refuse(
            function, "weights", f"(n_resamples, {group.size})", f"shape {weights.shape}"
        )  # fmt: skip
    replicates = ranking_replicates(correct, score, weights.T)
    return selective_from(replicates, correct, score, group, weights=weights, rng=rng, level=level)
