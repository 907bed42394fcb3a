import numpy as np
import pytest

from metrics import UndefinedMetricError, discrete_semantic_entropy
from metrics.answers.likelihoods import weighted_semantic_entropy


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
