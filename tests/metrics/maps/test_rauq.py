import numpy as np
import pytest

from metrics import UndefinedMetricError, mean_logprob
from metrics.maps.rauq import rauq


def test_one_token_is_its_log_probability_and_alpha_one_is_confidence():
    assert rauq(np.array([-0.7]), np.zeros((3, 1))) == pytest.approx(0.7)
    logprobs = np.log([0.9, 0.2, 0.5])
    assert rauq(logprobs, np.full((2, 3), 0.4), alpha=1.0) == pytest.approx(-mean_logprob(logprobs))


def test_it_is_the_recursion_by_hand_at_the_least_sure_layer():
    p, back = [0.9, 0.2, 0.5], [[0.0, 0.5, 0.3], [0.0, 0.1, 0.2]]
    found = []
    for layer in back:
        c1 = p[0]
        c2 = 0.2 * p[1] + 0.8 * layer[1] * c1
        c3 = 0.2 * p[2] + 0.8 * layer[2] * c2
        found.append(-np.log([c1, c2, c3]).mean())
    assert rauq(np.log(p), np.array(back)) == pytest.approx(max(found))
    assert found[1] > found[0]  # who looks back less hands on less


def test_shapes_and_empty_answers():
    with pytest.raises(UndefinedMetricError):
        rauq(np.zeros(0), np.zeros((1, 0)))
    for wrong in (np.zeros((1, 2)), np.zeros(3), np.zeros((0, 3))):
        with pytest.raises(ValueError, match="previous"):
            rauq(np.log([0.5, 0.5, 0.5]), wrong)
