import itertools

import numpy as np
import pytest
from hypothesis import given

from metrics.errors import UndefinedMetricError
from metrics.scores.risk_coverage import aurc, e_aurc, prr, risk_coverage_curve
from metrics.scores.selective import augrc
from tests.metrics.helpers.scored import scored


def test_by_hand():
    # kept from the top: right; wrong and right tied; wrong. Expected errors 0, 1/2, 1, 2 of 1..4
    y, s = [1, 0, 1, 0], [4, 3, 3, 1]
    curve = risk_coverage_curve(y, s)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 0.5 / 2, 1 / 3, 2 / 4])
    area = (0.5 / 2 + 1 / 3 + 2 / 4) / 4
    oracle = (1 / 3 + 2 / 4) / 4
    assert aurc(y, s) == pytest.approx(area)
    assert e_aurc(y, s) == pytest.approx(area - oracle)
    assert prr(y, s) == pytest.approx((0.5 - area) / (0.5 - oracle))


def test_ties_are_the_mean_over_all_orders():
    y, s = np.array([1, 0, 1, 1, 0]), np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    areas, generalised = [], []
    for middle in itertools.permutations(range(1, 4)):
        errors = np.cumsum(1 - y[[0, *middle, 4]])
        areas.append(np.mean(errors / np.arange(1, 6)))
        steps = np.r_[0, errors] / 5
        generalised.append(np.trapezoid(steps, dx=1 / 5))
    assert aurc(y, s) == pytest.approx(np.mean(areas))
    assert augrc(y, s) == pytest.approx(np.mean(generalised))


@given(scored())
def test_properties(data):
    y, s = data
    n, wrong = y.size, (y == 0).sum()
    assert risk_coverage_curve(y, s).risk[-1] == pytest.approx(wrong / n)
    assert aurc(y, np.exp(s)) == pytest.approx(aurc(y, s))
    assert e_aurc(y, s) >= 0
    assert prr(y, s) <= 1 + 1e-12
    assert prr(y, y.astype(float)) == pytest.approx(1)
    assert 0 < augrc(y, s) < 0.5


def test_oracle_and_chance():
    rng = np.random.default_rng(0)
    y = rng.random(500) < 0.7
    perfect = y + 0.1 * rng.random(500)
    assert e_aurc(y, perfect) == pytest.approx(0, abs=1e-12)
    assert prr(y, perfect) == pytest.approx(1)
    found = [prr(y, rng.random(500)) for _ in range(200)]
    assert np.mean(found) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("function", [risk_coverage_curve, aurc, e_aurc, prr])
def test_refusals(function):
    with pytest.raises(UndefinedMetricError, match="all 2 answers are correct"):
        function([1, 1], [1, 2])
    with pytest.raises(UndefinedMetricError, match="constant score: 3 for all 2"):
        function([1, 0], [3, 3])
    with pytest.raises(ValueError, match="of length 2, one per sample, got length 1"):
        function([1, 0], [3])
