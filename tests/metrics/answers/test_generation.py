import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax
from scipy.stats import entropy

from metrics.answers.generation import (
    entropy_from_logprobs,
    mean_entropy,
    mean_logprob,
    min_logprob,
    top2_margin,
)
from metrics.errors import UndefinedMetricError

logits = arrays(np.float64, (3, 6), elements=st.floats(-20, 20))


def test_by_hand():
    assert mean_logprob(np.log([0.5, 0.125])) == pytest.approx((1 + 3) / 2 * -math.log(2))
    assert min_logprob(np.log([0.5, 0.125, 0.25])) == pytest.approx(-3 * math.log(2))
    assert mean_entropy([0.2, 0.7, 0.3]) == pytest.approx((0.2 + 0.7 + 0.3) / 3)
    assert top2_margin([0.1, 0.6, 0.25, 0.05]) == pytest.approx(0.6 - 0.25)
    expected = 0.5 * math.log(2) + 2 * 0.25 * math.log(4)
    assert entropy_from_logprobs(np.log([0.5, 0.25, 0.25])) == pytest.approx(expected)


def test_probability_zero_adds_nothing():
    logp = np.array([math.log(0.75), math.log(0.25), -np.inf])
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert entropy_from_logprobs(logp) == pytest.approx(expected)


@given(logits)
def test_against_scipy_and_bounds(z):
    logp = log_softmax(z, axis=-1)
    p = np.exp(logp)
    h = entropy_from_logprobs(logp)
    assert h == pytest.approx(entropy(p, axis=-1), abs=1e-9)
    assert (h >= 0).all()
    assert (h <= math.log(6) + 1e-9).all()
    assert 0 <= top2_margin(p[0]) <= 1
    chosen = logp.max(axis=1)
    assert min_logprob(chosen) <= mean_logprob(chosen) + 1e-12 <= 1e-12


@given(st.permutations([0.05, 0.5, 0.15, 0.3]))
def test_margin_does_not_depend_on_order(p):
    assert top2_margin(p) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: mean_logprob([]), UndefinedMetricError, "no answer tokens"),
        (lambda: min_logprob([]), UndefinedMetricError, "no answer tokens"),
        (lambda: mean_entropy([]), UndefinedMetricError, "no answer tokens"),
        (lambda: mean_logprob([0.5]), ValueError, "<= 0, got max 0.5. Pass log-probabilities"),
        (lambda: min_logprob([-np.inf]), ValueError, "1 non-finite of 1"),
        (lambda: mean_entropy([-0.1]), ValueError, ">= 0, got -0.1"),
        (lambda: top2_margin([1.0]), UndefinedMetricError, "two tokens, got 1"),
        (lambda: top2_margin([3.0, 1.0]), ValueError, "got min 1, sum 4"),
        (lambda: entropy_from_logprobs([-1.0, -1.0]), ValueError, "a sum of 0.735759"),
        (lambda: entropy_from_logprobs(-1.0), ValueError, r"got shape \(\)"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
