"""Can the hidden state tell right from wrong? Scores that were never fitted on the scored image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import Labels, at_least
from metrics.fitting.linear_probe import check_states
from metrics.states.repeated_probe import (
    DEFAULT_CS,
    MAX_COMPONENTS,
    MIN_PER_CLASS,
    N_REPEATS,
    ProbeScores,
    prepare,
)

__all__ = ["DEFAULT_CS", "MIN_PER_CLASS", "ProbeScores", "cross_fit_probe", "last_layers_probe"]


def cross_fit_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
    n_inner: int = 3,
    Cs: Sequence[float] = DEFAULT_CS,
    min_per_class: int = MIN_PER_CLASS,
    max_components: int | None = MAX_COMPONENTS,
    n_repeats: int = N_REPEATS,
    n_shuffles: int = 0,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> ProbeScores:
    r"""Nested, grouped cross-fitting of an L2 logistic probe over layers, repeated over splits.

    .. math:: s_i = \frac{w_f^\top z_i - \mu_f}{\sigma_f}, \qquad
        (w_f, b_f) = \arg\min \tfrac12 \|w\|^2 + C \sum_{j \notin f} \ell(y_j, w^\top z_j + b)

    with :math:`z` the standardised state at the layer chosen for fold :math:`f`, and :math:`f` the
    fold of sample :math:`i`. Layer and :math:`C` are chosen in the training folds by the mean AUROC
    of inner grouped folds (ties: the earlier layer, the smaller C). Scale and principal axes of a
    layer are those of all samples: they are made of states alone, without a label.
    Every :math:`w` is brought to a spread of 1 of :math:`w^\top z` over all samples, and
    :math:`\mu_f, \sigma_f` are mean and spread of the *inner out-of-fold* :math:`w^\top z`: so
    folds are comparable without using a label, and no probe is turned round as by a Platt slope.
    The intercept is left out: it follows the share of right answers in the training folds. Higher
    means more likely correct. Range: unbounded, about standardised.

    All of this is repeated on ``n_repeats`` splits. The scores are those of one of them, in the
    middle by AUROC; frozen as they are they understate the uncertainty of that AUROC, which
    ``fit`` mends (`fit_spread`): the interval is then about the procedure at this sample size.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first; float16 and float32 are worked on a layer at a time.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample; an image is never on both sides.
    rng : numpy.random.Generator
        Source of the splits.
    n_folds, n_inner : int, default 5 and 3
        Outer and inner folds, stratified by label.
    Cs : sequence of float, default 1e-4 … 1e-1
        Inverse strengths tried.
    min_per_class : int, default 20
        Least number of correct and of wrong answers.
    max_components : int or None, default 256
        With more dimensions than this, the probe sees the leading principal axes only. None keeps
        all of them (exact, and slower). On one core 1,000 × 7 × 96 take 1 s for 20 repeats and 5 s
        for 99 shuffles; 3,000 × 33 × 4,096 75 s for the axes and 1.2 s a repeat or shuffle.
    n_repeats : int, default 20
        Splits; below 4 there is no ``fit``.
    n_shuffles : int, default 0
        Permutations of the labels among images of one size and within images, each with a split of
        its own; ``fit.p`` is the share that reaches the reported AUROC (conservative, since that is
        a mean of splits).
    kinds, answers : sequence, length n_samples, optional
        Passed on to `fit_spread`.

    Returns
    -------
    ProbeScores
        Scores, choices, and the curve over layers.

    Raises
    ------
    UndefinedMetricError
        If a class has fewer than ``min_per_class`` samples or sits in fewer groups than folds, or
        no layer varies.
    ValueError
        If ``hidden`` is not finite or not 3-dimensional, or another argument is malformed.

    References
    ----------
    Method §4 (ours). arXiv 2605.08200 splits rows 80/20 and chooses the layer on reported data.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 3, 4))
    >>> hidden[:, 2, 0] += 3 * correct
    >>> from metrics.scores.discrimination import auroc
    >>> found = cross_fit_probe(hidden, correct, np.arange(200), rng=rng, n_repeats=4)
    >>> found.layer_per_fold.tolist(), auroc(correct, found.scores) > 0.9
    ([2, 2, 2, 2, 2], True)
    """
    prepared = prepare(
        "cross_fit_probe", hidden, correct, groups, n_folds=n_folds, n_inner=n_inner, Cs=Cs,
        min_per_class=min_per_class, max_components=max_components,
    )  # fmt: skip
    at_least("cross_fit_probe", "n_repeats", n_repeats, 1)
    at_least("cross_fit_probe", "n_shuffles", n_shuffles, 0)
    return prepared.probe(
        rng, n_repeats=n_repeats, n_shuffles=n_shuffles, kinds=kinds, answers=answers
    )


def last_layers_probe(
    hidden: NDArray[np.floating],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_last: int = 5,
    n_repeats: int = N_REPEATS,
    n_shuffles: int = 0,
    kinds: Labels | None = None,
    answers: Labels | None = None,
) -> ProbeScores:
    r"""L2 probe on the states of the last layers, put side by side.

    .. math:: z_i = [h_i^{(L - k + 1)}, \dots, h_i^{(L)}]

    Higher means more likely correct. Range: unbounded, about standardised.

    Parameters
    ----------
    hidden : float array, shape (n_samples, n_layers + 1, d_model)
        States, embeddings first.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of the splits; seeded alike, the folds are those of `cross_fit_probe`.
    n_last : int, default 5
        Number of layers.
    n_repeats : int, default 20
        As in `cross_fit_probe`.
    n_shuffles : int, default 0
        As in `cross_fit_probe`.
    kinds, answers : sequence, length n_samples, optional
        As in `cross_fit_probe`.

    Returns
    -------
    ProbeScores
        As of one layer.

    Raises
    ------
    UndefinedMetricError
        As in `cross_fit_probe`.
    ValueError
        If there are not as many layers, or an argument is malformed.

    References
    ----------
    Method §4; arXiv 2605.08200 (last-five-layers variant).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(200) % 2
    >>> hidden = rng.normal(size=(200, 6, 4)) + correct[:, None, None]
    >>> from metrics.scores.discrimination import auroc
    >>> found = last_layers_probe(hidden, correct, range(200), rng=rng, n_repeats=4)
    >>> auroc(correct, found.scores) > 0.9
    True
    """
    at_least("last_layers_probe", "n_last", n_last, 1)
    check_states("last_layers_probe", hidden, len(hidden))
    at_least("last_layers_probe", "hidden.shape[1]", hidden.shape[1], n_last)
    beside = hidden[:, -n_last:].reshape(len(hidden), 1, -1)
    return cross_fit_probe(
        beside, correct, groups, rng=rng, n_repeats=n_repeats, n_shuffles=n_shuffles, kinds=kinds,
        answers=answers,
    )  # fmt: skip
