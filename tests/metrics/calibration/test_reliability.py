import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from metrics.calibration.reliability import (
    brier_loss,
    brier_skill_score,
    expected_calibration_error,
    reliability_bins,
)
from metrics.errors import UndefinedMetricError

Y, P = [0, 1, 1, 1, 0], [0.1, 0.3, 0.7, 0.9, 0.8]

stated = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 50).map(lambda k: k / 50)), min_size=2, max_size=40
).map(lambda rows: tuple(np.array(column, float) for column in zip(*rows, strict=True)))


def test_by_hand():
    # bins [0, .5] and (.5, 1]: two with mean 0.2, accuracy 1/2; three with mean 0.8, accuracy 2/3
    bins = reliability_bins(Y, P, n_bins=2)
    assert bins.count == (2, 3)
    assert bins.mean_prob == pytest.approx([0.4 / 2, 2.4 / 3])
    assert bins.accuracy == pytest.approx([1 / 2, 2 / 3])
    expected = 2 / 5 * (1 / 2 - 0.2) + 3 / 5 * (0.8 - 2 / 3)
    assert expected_calibration_error(Y, P, n_bins=2) == pytest.approx(expected)
    loss = (0.1**2 + 0.7**2 + 0.3**2 + 0.1**2 + 0.8**2) / 5
    assert brier_loss(Y, P) == pytest.approx(loss)
    assert brier_skill_score(Y, P) == pytest.approx(1 - loss / (0.6 * 0.4))


def test_empty_bins_stay_with_their_count():
    bins = reliability_bins(Y, P, n_bins=10)
    assert sum(bins.count) == 5
    assert len(bins.count) == 10
    empty = [n == 0 for n in bins.count]
    assert [a is None for a in bins.accuracy] == [p is None for p in bins.mean_prob] == empty


def test_equal_mass_bins_hold_equal_numbers():
    rng = np.random.default_rng(0)
    p = rng.random(150) ** 3
    bins = reliability_bins(rng.random(150) < p, p, equal_mass=True)
    assert bins.count == (10,) * 15
    tied = reliability_bins([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.9], n_bins=4, equal_mass=True)
    assert tied.count == (3, 1)


@given(stated)
def test_against_sklearn(data):
    y, p = data
    assert brier_loss(y, p) == pytest.approx(brier_score_loss(y, p))
    bins = reliability_bins(y, p, n_bins=7)
    accuracy, mean = calibration_curve(y, p, n_bins=7)
    # sklearn's bins hold [low, high): only compare where no probability is on an edge
    if not np.isclose((p * 7) % 1, 0).any():
        assert [a for a in bins.accuracy if a is not None] == pytest.approx(accuracy)
        assert [p for p in bins.mean_prob if p is not None] == pytest.approx(mean)


@given(stated, st.booleans())
def test_properties(data, equal_mass):
    y, p = data
    bins = reliability_bins(y, p, equal_mass=equal_mass)
    assert sum(bins.count) == y.size
    for low, mean, high in zip(bins.low, bins.mean_prob, bins.high, strict=True):
        assert mean is None or low - 1e-12 <= mean <= high + 1e-12
    ece = expected_calibration_error(y, p, equal_mass=equal_mass)
    assert abs(y.mean() - p.mean()) - 1e-12 <= ece <= 1
    assert expected_calibration_error(y, p, n_bins=1) == pytest.approx(abs(y.mean() - p.mean()))
    shuffled = np.random.default_rng(0).permutation(y.size)
    again = expected_calibration_error(y[shuffled], p[shuffled], equal_mass=equal_mass)
    assert again == pytest.approx(ece)


def test_the_base_rate_has_no_skill():
    assert brier_skill_score([1, 1, 1, 0], [0.75] * 4) == pytest.approx(0)


@pytest.mark.parametrize(
    "function", [reliability_bins, expected_calibration_error, brier_loss, brier_skill_score]
)
def test_refusals(function):
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 0.5 … 3. Calibrate"):
        function([0, 1], [0.5, 3.0])
    with pytest.raises(UndefinedMetricError, match="no samples"):
        function([], [])
    with pytest.raises(ValueError, match="of length 2, one per sample, got length 1"):
        function([0, 1], [0.5])


def test_one_class_has_no_skill_score():
    with pytest.raises(UndefinedMetricError, match="one class only"):
        brier_skill_score([1, 1], [0.5, 0.6])
