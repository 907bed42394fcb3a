"""Likelihood of a claim, and of relevant tokens, against loops."""

import math

import numpy as np
import pytest

from metrics import UndefinedMetricError
from metrics.answers.claims import claim_log_probability, relevant_log_probability


def drawn(rng, n=4, m=6):
    told = rng.dirichlet(np.ones(3), (n, m))
    told[:, 0] = [1, 0, 0]  # the token itself
    return np.log(rng.dirichlet(np.ones(m + 1), n)[:, :m]), told[..., 0], told[..., 1]


def test_a_claim_is_what_alternatives_say_the_same_among_those_that_do_or_deny():
    rng = np.random.default_rng(0)
    for _ in range(20):
        log_p, e, c = drawn(rng)
        expected = 0.0
        for row in zip(log_p, e, c, strict=True):
            same = contrary = 0.0
            for own, entails, contradicts in zip(*row, strict=True):
                verdict = max(
                    ("same", entails), ("contrary", contradicts),
                    ("neither", 1 - entails - contradicts), key=lambda told: told[1],
                )[0]  # fmt: skip
                same += math.exp(own) * (verdict == "same")
                contrary += math.exp(own) * (verdict == "contrary")
            expected += math.log(same / (same + contrary))
        assert claim_log_probability(log_p, e, c) == pytest.approx(expected)
        # the probability of words that say something else does not matter
        aside = np.where((e < c + 1) & (1 - e - c > np.maximum(e, c)), -np.inf, log_p)
        assert claim_log_probability(aside, e, c) == pytest.approx(expected)


def test_relevant_tokens_are_a_mean_and_alike_ones_the_plain_mean():
    log_p = np.array([-1.0, -3.0, -0.5])
    assert relevant_log_probability(log_p, [0.2, 0.2, 0.2]) == pytest.approx(log_p.mean())
    assert relevant_log_probability(log_p, [1.0, 0.0, 1.0]) == -3
    rng = np.random.default_rng(1)
    s = rng.random(3)
    expected = sum((1 - own) * p for own, p in zip(s, log_p, strict=True)) / sum(1 - s)
    assert relevant_log_probability(log_p, s) == pytest.approx(expected)


def test_what_says_nothing_is_undefined():
    with pytest.raises(UndefinedMetricError, match="missed"):
        relevant_log_probability([-1.0], [1.0])
    with pytest.raises(UndefinedMetricError, match="missed"):
        relevant_log_probability([], [])
    with pytest.raises(UndefinedMetricError, match="says the same"):
        claim_log_probability([[-1.0]], [[0.1]], [[0.8]])
    with pytest.raises(UndefinedMetricError, match="empty"):
        claim_log_probability(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at most 1"):
        claim_log_probability([[-1.0]], [[0.8]], [[0.8]])
    with pytest.raises(ValueError, match="length"):
        relevant_log_probability([-1.0, -2.0], [0.5])
