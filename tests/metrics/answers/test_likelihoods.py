import numpy as np
import pytest

from metrics import UndefinedMetricError, discrete_semantic_entropy
from metrics.answers.likelihoods import (
    sentence_sar,
    weighted_cluster_entropy,
    weighted_semantic_entropy,
)
from metrics.record.channels import AnswersAlike, SampleScores
from metrics.record.observation import Absent
from metrics.signals import BY_NAME
from tests.metrics.helpers.seen import observation


def test_equal_likelihoods_give_the_discrete_entropy():
    samples = ["a", "b", "a", "", "c", ""]
    found = weighted_semantic_entropy(samples, np.full(6, -3.0))
    assert found == pytest.approx(discrete_semantic_entropy(samples))


def test_a_meaning_weighs_what_its_samples_were_likely():
    p = np.array([0.5, 0.1, 0.3])
    shares = np.array([0.5 + 0.3, 0.1]) / 0.9
    expected = -(shares * np.log(shares)).sum()
    found = weighted_semantic_entropy(["a", "b", "a"], np.log(p))
    assert found == pytest.approx(expected)
    # only what they are among each other counts, also where no float holds them
    assert weighted_semantic_entropy(["a", "b", "a"], np.log(p) - 5000) == pytest.approx(expected)


def test_one_meaning_is_no_entropy_and_nothing_is_undefined():
    assert weighted_semantic_entropy(["a", "a"], np.array([-1.0, -200.0])) == 0
    assert weighted_semantic_entropy(["a", "b"], np.array([-1.0, -np.inf])) == 0
    for samples, logprobs in (([], []), (["", ""], [-1, -1]), (["a", "b"], [-np.inf, -np.inf])):
        with pytest.raises(UndefinedMetricError):
            weighted_semantic_entropy(samples, np.array(logprobs, float))
    with pytest.raises(ValueError, match="length"):
        weighted_semantic_entropy(["a"], np.zeros(2))


def test_equal_weights_give_the_entropy_of_the_counts_whatever_groups_are_called():
    expected = discrete_semantic_entropy(["a", "b", "a", "c"])
    for labels in ([0, 1, 0, 2], [7, -1, 7, 3]):
        found = weighted_cluster_entropy(labels, np.full(4, -800.0))
        assert found == pytest.approx(expected)
    with pytest.raises(UndefinedMetricError, match="sampled"):
        weighted_cluster_entropy([], np.zeros(0))


def test_sentence_sar_is_the_mean_of_logs_and_holds_where_probabilities_underflow():
    """By the formula in plain probabilities; and, by ln p(y) alone, where nothing is alike."""
    rng = np.random.default_rng(0)
    s = rng.random((5, 5))
    s = (s + s.T) / 2
    p = rng.random(5)
    others = [sum(s[j, k] * p[k] for k in range(5) if k != j) for j in range(5)]
    expected = -np.mean([np.log(p[j] + others[j] / 0.001) for j in range(5)])
    assert sentence_sar(s, np.log(p)) == pytest.approx(expected)
    assert sentence_sar(s, np.log(p) - 5000) == pytest.approx(expected + 5000)
    assert sentence_sar(np.eye(5), np.log(p)) == pytest.approx(-np.log(p).mean())
    more = np.minimum(s + 0.2, 1.0)
    assert sentence_sar(more, np.log(p)) < sentence_sar(s, np.log(p))
    with pytest.raises(UndefinedMetricError, match="no probability"):
        sentence_sar(np.eye(2), np.array([-1.0, -np.inf]))
    with pytest.raises(UndefinedMetricError, match="two"):
        sentence_sar([[1.0]], np.zeros(1))
    with pytest.raises(ValueError, match="length"):
        sentence_sar(np.eye(2), np.zeros(3))


@pytest.mark.parametrize(
    ("lengths", "reason"), [([1, 0], "a sample is empty"), ([1, 2, 3], "differ in number")]
)
def test_samples_whose_likelihood_is_not_known_have_no_weight(lengths, reason):
    scores = SampleScores(np.full(len(lengths), -1.0), np.array(lengths))
    given = AnswersAlike(np.ones((3, 3)))
    seen = observation(0, {own.name: own for own in (scores, given)})
    for name in ("likelihood_semantic_entropy_embeddings", "sentence_sar"):
        found = BY_NAME[name].of(seen)
        assert isinstance(found, Absent)
        assert reason in found.reason
