import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian

from metrics import (
    UndefinedMetricError,
    eccentricity,
    laplacian_eigenvalue_sum,
    lexical_similarity,
    n_distinct,
)
from metrics.answers.word_overlap import similarity_matrix


@pytest.mark.parametrize("sizes", [(5,), (3, 2), (4, 1, 1), (2, 2, 2, 2)])
def test_equal_groups_that_share_no_word_have_a_closed_form(sizes):
    samples = [word for word, size in zip("abcd", sizes, strict=False) for _ in range(size)]
    assert laplacian_eigenvalue_sum(samples) == pytest.approx(n_distinct(samples))
    assert eccentricity(samples) == pytest.approx(np.sqrt(len(sizes) - 1), abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_both_are_those_of_scipys_normed_laplacian(seed):
    """SciPy's graphs have no loops, so the Laplacian is put together from its degrees."""
    rng = np.random.default_rng(seed)
    samples = [" ".join(rng.choice(["u", "v", "w", "x"], size=rng.integers(1, 4)))
               for _ in range(6)]  # fmt: skip
    s = similarity_matrix("f", samples)
    plain = laplacian(s - np.diag(np.diag(s)))
    values, vectors = eigh(plain, np.diag(s.sum(axis=1)))  # L v = λ D v has the same λ
    assert laplacian_eigenvalue_sum(samples) == pytest.approx(np.clip(1 - values, 0, None).sum())
    own = np.sqrt(s.sum(axis=1))[:, None] * vectors[:, values < 0.9]
    assert eccentricity(samples) == pytest.approx(np.linalg.norm(own - own.mean(axis=0)))


def test_order_does_not_matter_and_too_little_is_undefined():
    samples = ["a b", "b c", "c", "a b"]
    for call in (eccentricity, laplacian_eigenvalue_sum, lexical_similarity):
        assert call(samples[::-1]) == call(samples)
    assert eccentricity(["a"] * 10) == 0
    for few in ([], ["a"], ["", ""]):
        with pytest.raises(UndefinedMetricError):
            eccentricity(few)
        with pytest.raises(UndefinedMetricError):
            laplacian_eigenvalue_sum(few)
