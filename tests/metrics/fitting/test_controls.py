import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.fitting.controls import category_only_scores, question_only_scores
from metrics.scores.discrimination import auroc


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


def _asked(rng, n, words):
    return [" ".join(["what is", *rng.choice(words, 3)]) for _ in range(n)]


def test_a_word_that_decides_is_found():
    rng = np.random.default_rng(0)
    questions = _asked(rng, 400, ["red", "blue", "green", "many", "left", "right"])
    correct = np.array([("many" not in q) ^ (rng.random() < 0.1) for q in questions])
    scores = question_only_scores(questions, correct, range(400), rng=rng)
    hard = np.array(["many" in q for q in questions])
    truth = auroc(correct, ~hard)
    assert auroc(correct, scores) == pytest.approx(truth, abs=0.05)
    assert 0 < scores.min() < scores.max() < 1


def test_questions_without_effect_read_one_half():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        questions = _asked(rng, 200, list("abcdefgh"))
        correct, groups = rng.random(200) < 0.7, np.repeat(np.arange(50), 4)
        found.append(auroc(correct, question_only_scores(questions, correct, groups, rng=rng)))
    assert np.mean(found) == pytest.approx(0.5, abs=0.025)  # standard error 0.008


def test_a_question_is_scored_by_other_images_only():
    # every image has its own word, and its word tells the label: nothing to learn from others
    image = np.repeat(np.arange(60), 3)
    questions = [f"word{i} here" for i in image]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        correct = (rng.random(60) < 0.5)[image]
        scores = question_only_scores(questions, correct, image, rng=rng)
        assert set(scores) == {0.5}
    by_row = question_only_scores(questions, correct, range(180), rng=rng)
    assert auroc(correct, by_row) > 0.9


def test_questions_that_say_nothing_are_undefined():
    rng, y = np.random.default_rng(0), [0, 1] * 10
    with pytest.raises(UndefinedMetricError, match="one question only: the same for all 20"):
        question_only_scores(["what?"] * 20, y, range(20), rng=rng)
    with pytest.raises(UndefinedMetricError, match="the questions hold no word"):
        question_only_scores(["?", "!"] * 10, y, range(20), rng=rng)
    with pytest.raises(UndefinedMetricError, match="no word occurs in two questions"):
        question_only_scores([f"w{i}" for i in range(20)], y, range(20), rng=rng)
    with pytest.raises(ValueError, match="`prompts` must be of length 20"):
        question_only_scores(["a"], y, range(20), rng=rng)
