"""Clusters, entropies and support by meaning, against slow twins and closed forms."""

import math

import numpy as np
import pytest

from metrics.answers.kernel_entropy import kernel_language_entropy
from metrics.answers.meaning import (
    cluster_entropy,
    entailment_clusters,
    entailment_weights,
    mean_support,
    similarity_clusters,
)
from metrics.errors import UndefinedMetricError


def nli(n, seed):
    """Probabilities of entailment and contradiction, random, the diagonal as models give it."""
    p = np.random.default_rng(seed).dirichlet([1, 1, 1], size=(n, n))
    p[range(n), range(n)] = (0.98, 0.01, 0.01)
    return p[..., 0], p[..., 2]


def kuhn(e, c):
    """Algorithm 1 of arXiv 2302.09664 as it is written: sets, the first of each compared."""

    def entails(i, j):
        neutral = 1 - e[i, j] - c[i, j]
        return max((e[i, j], "e"), (neutral, "n"), (c[i, j], "c"))[1] == "e"

    sets = [[0]]
    for m in range(1, len(e)):
        for own in sets:
            if entails(own[0], m) and entails(m, own[0]):
                own.append(m)
                break
        else:
            sets.append([m])
    return [next(k for k, own in enumerate(sets) if m in own) for m in range(len(e))]


@pytest.mark.parametrize("seed", range(20))
def test_clusters_are_those_of_the_published_algorithm(seed):
    e, c = nli(7, seed)
    if seed % 2:  # so that some answers do entail each other
        e, c = np.maximum(e, 0.6 * (np.random.default_rng(seed).random(e.shape) > 0.4)), c * 0.3
    assert entailment_clusters(e, c).tolist() == kuhn(e, c)


def test_equal_answers_are_one_and_different_ones_are_not():
    names = ["cat", "dog", "cat", "cow", "dog", "cat"]
    same = np.array([[float(a == b) for a in names] for b in names])
    labels = [0, 1, 0, 2, 1, 0]
    assert entailment_clusters(same, np.zeros_like(same)).tolist() == labels
    assert similarity_clusters(same).tolist() == labels
    shares = [3 / 6, 2 / 6, 1 / 6]
    assert cluster_entropy(labels) == pytest.approx(-sum(p * math.log(p) for p in shares))


def test_weights_and_support_by_loops():
    e, c = nli(4, 3)
    weights = entailment_weights(e, c)
    for i in range(4):
        for j in range(4):
            both = [e[a, b] + 0.5 * (1 - e[a, b] - c[a, b]) for a, b in ((i, j), (j, i))]
            assert weights[i, j] == pytest.approx(sum(both) / 2)
    support = e / (e + c)
    pairs = [support[i, j] for i in range(4) for j in range(4) if i != j]
    assert mean_support(support) == pytest.approx(sum(pairs) / 12)


def test_what_there_is_no_number_of():
    for function in (kernel_language_entropy, mean_support):
        with pytest.raises(UndefinedMetricError, match="two answers at least, got 1"):
            function([[1.0]])
    with pytest.raises(UndefinedMetricError, match="two answers"):
        cluster_entropy([0])
    with pytest.raises(UndefinedMetricError, match="no answers"):
        similarity_clusters(np.zeros((0, 0)))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 1.2], [1.2, 1]], r"in \[0, 1\]"),
        ([[1, -0.1], [-0.1, 1]], r"in \[0, 1\]"),
        ([[1, math.nan], [math.nan, 1]], r"in \[0, 1\]"),
        ([[1, 0.5], [0.6, 1]], "same both ways"),
        ([[1, 0.5]], "shape"),
    ],
)
def test_what_is_no_similarity_is_refused(matrix, message):
    for function in (similarity_clusters, kernel_language_entropy):
        with pytest.raises(ValueError, match=message):
            function(matrix)


def test_probabilities_of_one_pair_sum_to_one_at_most():
    for function in (entailment_clusters, entailment_weights):
        with pytest.raises(ValueError, match="at most 1"):
            function([[1, 0.7], [0.7, 1]], [[0, 0.7], [0.7, 0]])
