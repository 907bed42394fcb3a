"""Baselines that look at a category only; a signal has to beat them to have said anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    two_classes,
)
from metrics._folds import random_group_folds, require_classes, training_folds

# pseudo-counts at the training accuracy: a category seen once is not "always right"
PRIOR_STRENGTH = 2.0


def category_only_scores(
    categories: Labels,
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
) -> FloatArray:
    r"""Cross-fitted standing of each sample's category by its accuracy on other images.

    .. math:: a_c = \frac{k_c + \lambda p}{n_c + \lambda}, \qquad
        s_i = F(a_{c(i)}^-) + \tfrac12 P(a = a_{c(i)})

    with :math:`k_c, n_c` the correct and all answers of category :math:`c` in the training folds,
    :math:`p` their accuracy, :math:`\lambda = 2`, and :math:`F` the distribution of :math:`a` over
    all samples of seen categories: the score is the mid-rank of the category when categories are
    put in order of their training accuracy. Categories unseen in training get 0.5. Higher means
    more likely correct. Range: :math:`(0, 1)`.

    Ranks and label-blind folds, because both alternatives are biased on pure noise (mean AUROC of
    160 draws, 3 categories, 600 samples, standard error 0.003): this 0.497; raw accuracies pooled
    over folds 0.484, since an easy fold leaves a harder training set; folds stratified by category
    and label 0.521, since each fold then repeats the accuracies of the whole.

    Parameters
    ----------
    categories : sequence, length n_samples
        The given answer (answer-only control), question kind, or question text.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample; an image is never on both sides.
    rng : numpy.random.Generator
        Source of the split.
    n_folds : int, default 5
        Folds, at least 2.

    Returns
    -------
    float array, shape (n_samples,)
        Out-of-fold scores, to be passed to `auroc`.

    Raises
    ------
    UndefinedMetricError
        If a class is absent, or in fewer groups than folds.
    ValueError
        If a label is not 0 or 1, or lengths differ.

    References
    ----------
    Method §4 (ours).

    Examples
    --------
    >>> import numpy as np
    >>> answers = ["yes", "no"] * 10
    >>> scores = category_only_scores(
    ...     answers, [1, 0] * 9 + [0, 1], range(20), rng=np.random.default_rng(0)
    ... )
    >>> scores[:2].tolist()
    [0.75, 0.25]
    """
    at_least("category_only_scores", "n_folds", n_folds, 2)
    label = binary_labels("category_only_scores", "correct", correct)
    category = codes("category_only_scores", "categories", categories, label.size)
    group = codes("category_only_scores", "groups", groups, label.size)
    two_classes(label)
    require_classes(label, group, 1, n_folds)
    fold = random_group_folds(group, n_folds=n_folds, rng=rng)
    frequency = np.bincount(category)
    scores = np.empty(label.size)
    for train, test in training_folds(label, fold):
        accuracy = _smoothed_accuracy(category[train], label[train], frequency.size)
        seen = np.bincount(category[train], minlength=frequency.size) > 0
        standing = np.full(frequency.size, 0.5)
        standing[seen] = _standing(accuracy[seen], frequency[seen])
        scores[test] = standing[category[test]]
    return scores


def _smoothed_accuracy(category: IntArray, label: BoolArray, n_categories: int) -> FloatArray:
    n = np.bincount(category, minlength=n_categories)
    k = np.bincount(category, weights=label, minlength=n_categories)
    smoothed: FloatArray = (k + PRIOR_STRENGTH * label.mean()) / (n + PRIOR_STRENGTH)
    return smoothed


def _standing(accuracy: FloatArray, frequency: IntArray) -> FloatArray:
    _, level = np.unique(accuracy.round(12), return_inverse=True)
    mass = np.bincount(level, weights=frequency) / frequency.sum()
    standing: FloatArray = (np.cumsum(mass) - mass / 2)[level]
    return standing
