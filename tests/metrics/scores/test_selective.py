import numpy as np
import pytest
from hypothesis import given

from metrics.errors import UndefinedMetricError
from metrics.scores.selective import accuracy_at_coverage, augrc
from tests.metrics.helpers.scored import scored


def test_augrc_by_hand():
    # AUROC of (4, 3 | 3, 1) is 3.5 / 4; accuracy 1/2
    assert augrc([1, 0, 1, 0], [4, 3, 3, 1]) == (1 - 3.5 / 4) * 0.25 + 0.5**2 / 2


@given(scored())
def test_augrc_is_the_trapezoid_area(data):
    y, s = data
    level = np.unique(-s, return_inverse=True)[1]
    errors = np.bincount(level, weights=1 - y) / np.bincount(level)
    steps = np.r_[0, np.cumsum(np.repeat(errors, np.bincount(level)))] / y.size
    assert augrc(y, s) == pytest.approx(np.trapezoid(steps, dx=1 / y.size))


def test_accuracy_at_coverage_reaches_its_aim():
    rng = np.random.default_rng(0)
    y = rng.random(2000) < 0.7
    s = rng.normal(size=2000) + 1.5 * y
    kept = accuracy_at_coverage(y, s, range(2000), coverage=0.8, rng=rng)
    assert kept.coverage == pytest.approx(0.8, abs=0.02)
    assert kept.n_kept == round(kept.coverage * 2000)
    assert kept.accuracy == pytest.approx(y[np.argsort(-s)[:1600]].mean(), abs=0.01)
    whole = accuracy_at_coverage(y, s, range(2000), coverage=1.0, rng=rng)
    assert whole.accuracy == pytest.approx(y.mean(), abs=0.002)


def test_ties_push_coverage_above_its_aim():
    rng = np.random.default_rng(0)
    y, s = np.arange(100) % 4 > 0, (np.arange(100) % 2).astype(float)
    assert accuracy_at_coverage(y, s, range(100), coverage=0.3, rng=rng).coverage == 0.5


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"`coverage` must be in \(0, 1\], got 0"):
        accuracy_at_coverage([1, 0], [1, 2], "ab", coverage=0, rng=rng)
    with pytest.raises(UndefinedMetricError, match="2 groups for 5 folds"):
        accuracy_at_coverage([1, 0], [1, 2], "ab", coverage=0.5, rng=rng)
    with pytest.raises(UndefinedMetricError, match="all 2 answers are wrong"):
        augrc([0, 0], [1, 2])
