"""Baselines that see the question or the given answer only; a signal has to beat them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    IntArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    same_length,
    two_classes,
)
from metrics.core.folds import random_group_folds, require_classes, training_folds
from metrics.errors import UndefinedMetricError
from metrics.fitting.only_scores import category_columns, mid_rank, words_of


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

    Ranks and label-blind folds, because both alternatives are biased on pure noise (mean AUROC, 3
    categories, 600 samples): this 0.497 and raw accuracies pooled over folds 0.484 (160 draws,
    standard error 0.003), since an easy fold leaves a harder training set; folds stratified by
    category and label 0.521 (40 draws, 0.006), since each fold then repeats the accuracies of the
    whole.

    These are scores of one split, taken as given: an interval that is about the procedure needs
    several of them and `fit_spread`.

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
    for _ in training_folds(label, fold):
        pass  # raises where a training part lacks a class
    return category_columns(category, label[:, None], fold)[:, 0]


def question_only_scores(
    prompts: Sequence[str],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    n_folds: int = 5,
) -> FloatArray:
    r"""Cross-fitted standing of each sample by the words of its question.

    .. math:: z_q = b_f + \sum_{w \in q} \beta_{fw}, \qquad
        s_i = F_f(z_{q(i)}) + \tfrac12 P_f(z = z_{q(i)})

    a logistic regression on which words occur, fitted on the folds without the image of sample
    :math:`i` (words seen there twice or more; L2 penalty, C = 1), and :math:`F_f` the distribution
    of :math:`z` over the samples of fold :math:`f` itself. Mid-ranks and label-blind folds for the
    reasons given at `category_only_scores`; ranks within the fold, because among all questions a
    question of unknown words stands low exactly where the training set was easy (mean AUROC of 60
    draws of words without meaning, one per image: 0.64; within the fold 0.5). As for categories,
    an interval about the procedure needs several splits and `fit_spread`. Higher means more likely
    correct. Range: :math:`(0, 1)`.

    Parameters
    ----------
    prompts : sequence of str, length n_samples
        The questions as the model got them.
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
        If all questions are the same, share no word, or a class is absent or in fewer groups than
        folds.
    ValueError
        If a label is not 0 or 1, or lengths differ.

    References
    ----------
    Method §4 (ours).

    Examples
    --------
    >>> questions = ["How many cats?", "Is there a dog?"] * 10
    >>> scores = question_only_scores(
    ...     questions, [0, 1] * 10, range(20), rng=np.random.default_rng(0)
    ... )
    >>> scores[:2].tolist()
    [0.25, 0.75]
    """
    function = "question_only_scores"
    at_least(function, "n_folds", n_folds, 2)
    label = binary_labels(function, "correct", correct)
    same_length(function, "prompts", prompts, label.size)
    group = codes(function, "groups", groups, label.size)
    two_classes(label)
    if len(set(prompts)) == 1:
        raise UndefinedMetricError(f"one question only: the same for all {label.size} samples")
    require_classes(label, group, 1, n_folds)
    fold = random_group_folds(group, n_folds=n_folds, rng=rng)
    question = codes(function, "prompts", prompts, label.size)
    words = words_of(list(dict.fromkeys(prompts)))
    scores = np.empty(label.size)
    for train, test in training_folds(label, fold):
        z = _word_log_odds(words, question[train], label[train])[question[test]]
        scores[test] = mid_rank(z, np.ones(test.size, np.int64))
    return scores


def _word_log_odds(words: csr_matrix, question: IntArray, label: BoolArray) -> FloatArray:
    """Return what a regression fitted on some samples says of every question."""
    seen = words[question]
    known = np.flatnonzero(np.asarray(seen.sum(axis=0)).ravel() >= 2)
    if not known.size:
        raise UndefinedMetricError("no word occurs in two questions")
    model = LogisticRegression(max_iter=1000).fit(seen[:, known], label)
    log_odds: FloatArray = model.decision_function(words[:, known])
    return log_odds
