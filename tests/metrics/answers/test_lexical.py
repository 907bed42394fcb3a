import numpy as np
import pytest

from metrics import (
    UndefinedMetricError,
    answer_agreement,
    answer_degree,
    lexical_overlap,
    lexical_similarity,
    pairwise_agreement,
)
from metrics.answers.word_overlap import similarity_matrix

RNG = np.random.default_rng(0)


def longest(a, b):
    """The textbook recursion."""
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return 1 + longest(a[:-1], b[:-1])
    return max(longest(a[:-1], b), longest(a, b[:-1]))


@pytest.mark.parametrize("seed", range(30))
def test_the_overlap_is_that_of_the_recursion(seed):
    rng = np.random.default_rng(seed)
    a, b = (list(rng.choice(["x", "y", "z"], size=rng.integers(1, 8))) for _ in range(2))
    expected = 2 * longest(a, b) / (len(a) + len(b))
    assert lexical_overlap(" ".join(a), " ".join(b)) == pytest.approx(expected)
    assert lexical_overlap(" ".join(b), " ".join(a)) == lexical_overlap(" ".join(a), " ".join(b))


def test_long_answers_are_compared_in_a_blink():
    a, b = (" ".join(map(str, RNG.integers(0, 50, 3000))) for _ in range(2))
    assert 0 < lexical_overlap(a, b) < 1
    assert lexical_overlap(a, a) == 1


@pytest.mark.parametrize("seed", range(10))
def test_of_single_words_it_is_agreement(seed):
    drawn = np.random.default_rng(seed).choice(["a", "b", "c", ""], size=7).tolist()
    samples = [*drawn, "a"]
    assert lexical_similarity(samples) == pytest.approx(pairwise_agreement(samples))
    assert answer_degree(samples, "a") == pytest.approx(answer_agreement(samples, "a"))


def test_the_matrix_is_symmetric_with_ones_and_silence_is_like_nothing():
    s = similarity_matrix("f", ["a b", "", "a c", "", "a b"])
    assert (s == s.T).all()
    assert np.diag(s).tolist() == [1] * 5
    assert s[1, 3] == 0
    assert s[0, 4] == 1
    assert s[0, 2] == 0.5


def test_what_has_no_similarity():
    for call in (lambda: lexical_similarity([]), lambda: lexical_similarity(["", ""]),
                 lambda: lexical_similarity(["a"]), lambda: answer_degree(["a"], "")):  # fmt: skip
        with pytest.raises(UndefinedMetricError):
            call()
