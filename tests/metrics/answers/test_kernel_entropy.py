"""The entropy of the heat kernel, against closed forms and its power series."""

import math

import numpy as np
import pytest

from metrics.answers.kernel_entropy import kernel_language_entropy


@pytest.mark.parametrize("n", [2, 3, 7])
def test_kernel_entropy_of_the_graphs_that_have_a_closed_form(n):
    """No edges: ln n. All edges of weight w: one eigenvalue 1, all others e^(-tnw)."""
    assert kernel_language_entropy(np.eye(n)) == pytest.approx(math.log(n))
    w, t = 0.7, 0.3
    weights = np.full((n, n), w)
    decay = math.exp(-t * n * w)
    diagonal = (1 + (n - 1) * decay) / n
    largest, others = 1 / (n * diagonal), decay / (n * diagonal)
    expected = -(largest * math.log(largest) + (n - 1) * others * math.log(others))
    assert kernel_language_entropy(weights, time=t) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_kernel_entropy_by_its_series(seed):
    """The exponential as its power series, the entropy by the eigenvalues of the whole."""
    rng = np.random.default_rng(seed)
    w = rng.random((5, 5))
    w = (w + w.T) / 2
    np.fill_diagonal(w, 1.0)
    edges = w - np.diag(np.diag(w))
    laplacian = np.diag(edges.sum(axis=0)) - edges
    kernel, term = np.eye(5), np.eye(5)
    for k in range(1, 60):
        term = term @ (-0.3 * laplacian) / k
        kernel = kernel + term
    unit = kernel / np.sqrt(np.outer(np.diag(kernel), np.diag(kernel))) / 5
    values = np.linalg.eigvals(unit).real
    assert np.trace(unit) == pytest.approx(1)
    assert kernel_language_entropy(w) == pytest.approx(-sum(v * math.log(v) for v in values))


def test_the_more_alike_the_less_entropy():
    entropies = [kernel_language_entropy(np.full((4, 4), w)) for w in (0.0, 0.2, 0.6, 1.0)]
    assert entropies == sorted(entropies, reverse=True)


def test_time_is_positive():
    with pytest.raises(ValueError, match="time"):
        kernel_language_entropy(np.eye(2), time=0)
