import numpy as np
import pytest

from metrics.controls import category_only_scores
from metrics.discrimination import auroc
from metrics.errors import UndefinedMetricError


def test_order_follows_the_accuracy_of_other_images():
    # no: 90 % right, yes: 50 %, maybe: 10 %; 100 each, so the order is the same in every fold
    answers = np.repeat(["yes", "no", "maybe"], 100)
    correct = np.concatenate([np.arange(100) < k for k in (50, 90, 10)])
    scores = category_only_scores(answers, correct, range(300), rng=np.random.default_rng(0))
    # mid-ranks of three equal classes
    for answer, standing in (("maybe", 1 / 6), ("yes", 3 / 6), ("no", 5 / 6)):
        assert scores[answers == answer] == pytest.approx(standing)
    # pairs: no>yes 90*50, no>maybe 90*90, yes>maybe 50*90, reverse 50*10, 10*10, 10*50, ties half
    ties = (90 * 10 + 50 * 50 + 10 * 90) / 2
    assert auroc(correct, scores) == pytest.approx(
        (90 * 50 + 90 * 90 + 50 * 90 + ties) / (150 * 150)
    )


def test_pure_noise_reads_one_half():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        correct, categories = rng.random(300) < 0.7, rng.integers(0, 3, 300)
        groups = np.repeat(np.arange(50), 6)
        found.append(auroc(correct, category_only_scores(categories, correct, groups, rng=rng)))
    assert np.mean(found) == pytest.approx(0.5, abs=0.015)  # standard error 0.005


def test_a_category_seen_once_knows_nothing():
    # each question has one image: every training set has never seen it
    rng = np.random.default_rng(0)
    scores = category_only_scores(range(40), np.arange(40) % 2, range(40), rng=rng)
    assert set(scores) == {0.5}
    with pytest.raises(UndefinedMetricError, match="in 1 groups only, 5 folds need as many"):
        category_only_scores("ab" * 10, [0, 1] * 10, [0, 1] * 10, rng=rng)


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(UndefinedMetricError, match="all 4 answers are correct"):
        category_only_scores("abab", [1, 1, 1, 1], "wxyz", rng=rng)
    with pytest.raises(ValueError, match="`categories` must be of length 2"):
        category_only_scores("abc", [1, 0], "xy", rng=rng)
    with pytest.raises(ValueError, match="`n_folds` must be >= 2, got 1"):
        category_only_scores("ab", [1, 0], "xy", rng=rng, n_folds=1)
