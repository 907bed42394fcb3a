import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from metrics.answers.normal_form import normalize_answer
from metrics.answers.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_answer,
    majority_share,
    majority_share_at_k,
    n_distinct,
    pairwise_agreement,
)
from metrics.errors import UndefinedMetricError

SIX = ["cat", "dog", "cat", "cow", "cat", "dog"]  # counts 3, 2, 1
answers = st.lists(st.sampled_from("abcd"), min_size=2, max_size=7)


def test_by_hand():
    assert majority_share(SIX) == 3 / 6
    assert majority_answer(SIX) == "cat"
    assert answer_agreement(SIX, "dog") == 2 / 6
    assert answer_agreement(SIX, "hen") == 0
    assert pairwise_agreement(SIX) == (3 * 2 + 2 * 1) / (6 * 5)
    assert n_distinct(SIX) == 3
    expected = 3 / 6 * math.log(2) + 2 / 6 * math.log(3) + 1 / 6 * math.log(6)
    assert discrete_semantic_entropy(SIX) == pytest.approx(expected)


def test_ties_go_to_the_answer_seen_first():
    assert majority_answer(["dog", "cat", "cat", "dog"]) == "dog"
    assert majority_answer(["cat", "dog", "dog", "cat"]) == "cat"


def test_different_wrong_answers_are_not_consistent():
    assert majority_share(list("abcdefghij")) == 1 / 10
    assert pairwise_agreement(list("abcdefghij")) == 0


def test_share_at_k_by_hand():
    # c c c d: k = 2: of 6 pairs 3 are c c (1), 3 are c d (1/2); k = 3: of 4 triples 1 ccc, 3 ccd
    expected = [(3 * 1 + 3 / 2) / 6, (1 + 3 * 2 / 3) / 4, 3 / 4]
    assert majority_share_at_k(list("cccd")).tolist() == pytest.approx(expected)


@given(answers)
def test_share_at_k_against_all_subsets(samples):
    for k, found in enumerate(majority_share_at_k(samples), start=2):
        subsets = itertools.combinations(samples, k)
        expected = np.mean([max(Counter(s).values()) / k for s in subsets])
        assert found == pytest.approx(expected)


def test_share_at_k_of_very_many_samples():
    # two samples agree as often as pairs do: share 1 with that chance, else 1/2
    samples = ["cat"] * 700 + ["dog"] * 500
    found = majority_share_at_k(samples)
    assert found[0] == pytest.approx((1 + pairwise_agreement(samples)) / 2, rel=1e-12)
    assert found[-1] == majority_share(samples)


@given(answers, st.randoms(use_true_random=False))
def test_properties(samples, random):
    k = len(samples)
    shuffled = samples.copy()
    random.shuffle(shuffled)
    for function in (
        majority_share, n_distinct, pairwise_agreement, discrete_semantic_entropy,
    ):  # fmt: skip
        assert function(shuffled) == pytest.approx(function(samples))
    assert 1 / k <= majority_share(samples) <= 1
    assert answer_agreement(samples, majority_answer(samples)) == majority_share(samples)
    counts = list(Counter(samples).values())
    assert discrete_semantic_entropy(samples) == pytest.approx(entropy(counts), abs=1e-12)
    pairs = [a == b for a, b in itertools.combinations(samples, 2)]
    assert pairwise_agreement(samples) == pytest.approx(np.mean(pairs))


def test_pairwise_agreement_is_unbiased():
    # P(two draws equal) = 0.6² + 0.3² + 0.1² = 0.46; K = 4, standard error about 0.004
    rng = np.random.default_rng(0)
    draws = rng.choice(list("abc"), p=[0.6, 0.3, 0.1], size=(4000, 4))
    found = np.mean([pairwise_agreement(row.tolist()) for row in draws])
    assert found == pytest.approx(0.46, abs=0.015)


@pytest.mark.parametrize(
    "function",
    [
        majority_share, majority_answer, n_distinct, pairwise_agreement,
        discrete_semantic_entropy, majority_share_at_k, lambda s: answer_agreement(s, "a"),
    ],
)  # fmt: skip
def test_refusals(function):
    with pytest.raises(UndefinedMetricError, match="no sampled answers"):
        function([])
    with pytest.raises(ValueError, match="a sequence of strings, got the string 'yes'"):
        function("yes")


@pytest.mark.parametrize("function", [pairwise_agreement, majority_share_at_k])
def test_one_sample_has_no_pairs(function):
    with pytest.raises(UndefinedMetricError, match="two samples, got 1"):
        function(["cat"])


def test_silence_agrees_with_nothing():
    # three cats, one dog, two that say nothing: counts 3, 1, 1, 1
    samples = ["", "cat", "dog", "cat", "", "cat"]
    assert majority_share(samples) == 3 / 6
    assert majority_answer(samples) == "cat"
    assert answer_agreement(samples, "cat") == 3 / 6
    assert pairwise_agreement(samples) == 3 * 2 / (6 * 5)
    assert n_distinct(samples) == 4
    assert discrete_semantic_entropy(samples) == pytest.approx(
        3 / 6 * math.log(2) + 3 / 6 * math.log(6)
    )
    assert majority_share_at_k(samples)[-1] == 3 / 6
    # more silences than any answer: still no majority of silence
    quiet = ["", "", "", "dog"]
    assert majority_answer(quiet) == "dog"
    assert majority_share(quiet) == 1 / 4
    assert pairwise_agreement(quiet) == 0


def test_option_a_is_not_silence():
    samples = [normalize_answer(text) for text in ("A", "(A)", "a.", "B")]
    assert answer_agreement(samples, normalize_answer("A")) == 3 / 4
    assert answer_agreement(["", "", *samples], normalize_answer("A")) == 3 / 6


@pytest.mark.parametrize(
    "function",
    [
        majority_share, majority_answer, n_distinct, pairwise_agreement,
        discrete_semantic_entropy, majority_share_at_k, lambda s: answer_agreement(s, "a"),
    ],
)  # fmt: skip
def test_silences_only_are_undefined(function):
    with pytest.raises(UndefinedMetricError, match="all 3 sampled answers are empty"):
        function(["", "", ""])


def test_nothing_agrees_with_a_silent_answer():
    with pytest.raises(UndefinedMetricError, match="the scored answer is empty"):
        answer_agreement(["cat", ""], "")
