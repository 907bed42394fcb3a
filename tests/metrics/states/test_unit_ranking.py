"""Planted units are found; folds keep images whole; verdicts come from intervals."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from metrics import (
    Estimate,
    UndefinedMetricError,
    image_folds,
    probe_weights,
    ranking_verdict,
)


def planted(n=300, d=40, unit=7, seed=0):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.7
    states = rng.normal(size=(n, d))
    states[:, unit] += 2.0 * correct
    return states, correct


def test_a_planted_unit_comes_first():
    states, correct = planted()
    assert int(np.abs(probe_weights(states, correct)).argmax()) == 7


def test_weights_are_those_of_scikit_learn():
    states, correct = planted()
    z = StandardScaler().fit_transform(states)
    expected = LogisticRegression(C=1e-2, max_iter=1000).fit(z, correct).coef_[0]
    assert probe_weights(states, correct) == pytest.approx(expected, abs=1e-4)


def test_more_units_than_samples_and_scale_do_not_matter():
    states, correct = planted(n=120, d=400)
    found = probe_weights(states, correct)
    assert int(np.abs(found).argmax()) == 7
    z = StandardScaler().fit_transform(states)
    expected = LogisticRegression(C=1e-2, max_iter=1000).fit(z, correct).coef_[0]
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    assert probe_weights(1000 * states, correct) == pytest.approx(found, abs=1e-4)


def test_a_unit_that_does_not_vary_has_weight_zero():
    states, correct = planted()
    states[:, 3] = 5.0
    assert probe_weights(states, correct)[3] == 0


def test_too_few_errors_are_refused():
    states, _ = planted(n=100)
    correct = np.arange(100) >= 19
    with pytest.raises(UndefinedMetricError, match="19 wrong answers to rank units on, 20 are"):
        probe_weights(states, correct)
    with pytest.raises(UndefinedMetricError, match="no unit varies"):
        probe_weights(np.ones((100, 4)), np.arange(100) % 2)
    with pytest.raises(ValueError, match=r"`states` must be of shape \(100, n_units\)"):
        probe_weights(states[:9], correct)


def test_images_stay_whole_and_strata_in_proportion():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    strata = rng.random(300) < 0.8
    fold = image_folds(strata, groups, rng=np.random.default_rng(1))
    assert all(len(set(fold[groups == g])) == 1 for g in range(60))
    assert all(abs(strata[fold == k].mean() - strata.mean()) < 0.05 for k in range(5))
    assert np.array_equal(fold, image_folds(strata, groups, rng=np.random.default_rng(1)))
    with pytest.raises(UndefinedMetricError, match="3 images for 5 folds"):
        image_folds([1, 0, 1], ["a", "b", "c"], rng=rng)


@pytest.mark.parametrize(
    ("drop", "gap", "word"),
    [
        ((-0.30, -0.35, -0.25), (-0.28, -0.33, -0.23), "bottleneck"),
        ((-0.01, -0.03, 0.01), (-0.01, -0.03, 0.01), "distributed"),
        ((-0.06, -0.10, -0.02), (-0.06, -0.10, -0.02), "cannot tell"),  # wide
        ((-0.40, -0.45, -0.35), (0.00, -0.04, 0.04), "cannot tell"),  # any units do it
        ((-0.08, -0.10, -0.06), (-0.07, -0.09, -0.051), "bottleneck"),  # just
        ((-0.08, -0.10, -0.06), (-0.07, -0.09, -0.049), "cannot tell"),
    ],
)
def test_verdicts(drop, gap, word):
    estimates = [Estimate(v, low, high, 0.01, None) for v, low, high in (drop, gap)]
    found = ranking_verdict(*estimates, n_groups=100, n_correct=300, n_errors=100)
    assert found.word == word
    assert f"{100 * drop[0]:+.1f}" in found.reason


def test_an_undefined_estimate_cannot_tell():
    fine = Estimate(0.0, -0.01, 0.01, 0.005, None)
    found = ranking_verdict(
        Estimate.undefined("12 wrong answers to rank units on"), fine,
        n_groups=100, n_correct=300, n_errors=100,
    )  # fmt: skip
    assert (found.word, found.reason) == ("cannot tell", "12 wrong answers to rank units on")
    with pytest.raises(ValueError, match="`margin` must be in"):
        ranking_verdict(fine, fine, n_groups=9, n_correct=9, n_errors=9, margin=2)


def test_no_change_in_few_images_proves_little():
    """Equal samples have no width; of 30 images a tenth could still change."""
    same = Estimate(0.0, 0.0, 0.0, 0.0, None)
    few = ranking_verdict(same, same, n_groups=30, n_correct=60, n_errors=60)
    assert few.word == "cannot tell"
    assert "no answer changed in 30 images" in few.reason
    many = ranking_verdict(same, same, n_groups=61, n_correct=60, n_errors=60)
    assert many.word == "distributed"


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((31, 214, 26), "26 wrong answers only: no verdict below 30"),
        ((31, 29, 200), "29 right answers only: no verdict below 30"),
        ((16, 85, 40), "16 images only: no verdict below 20"),
    ],
)
@pytest.mark.parametrize("value", [0.0, -0.5])
def test_too_little_is_no_verdict_however_narrow_the_interval(counts, reason, value):
    sure = Estimate(value, value - 0.01, value + 0.01, 0.005, None)
    n_groups, n_correct, n_errors = counts
    found = ranking_verdict(sure, sure, n_groups=n_groups, n_correct=n_correct, n_errors=n_errors)
    assert (found.word, found.reason) == ("cannot tell", reason)
    enough = ranking_verdict(sure, sure, n_groups=20, n_correct=30, n_errors=30)
    assert enough.word == ("bottleneck" if value else "distributed")
