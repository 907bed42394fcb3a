import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from metrics.answers.self_consistency import majority_share, majority_share_at_k
from metrics.card.consistency_by_k import auroc_by_k, precision_at_full_agreement
from metrics.core.proportions import wilson_interval
from metrics.scores.bootstrap import auroc_estimate


def _answers(rng, n=60, k=5):
    return [[f"a{v}" for v in rng.integers(0, 1 + i % 4, k)] for i in range(n)]


def _by_brute_force(y, answers, k):
    """Mean AUROC over every way to pick k samples of every question."""
    shares = [[majority_share(s) for s in itertools.combinations(a, k)] for a in answers]
    return np.mean([_naive_auroc(y, scores) for scores in itertools.product(*shares)])


def _naive_auroc(y, scores):
    right, wrong = ([s for c, s in zip(y, scores, strict=True) if c == own] for own in (1, 0))
    return np.mean([(a > b) + (a == b) / 2 for a, b in itertools.product(right, wrong)])


@pytest.mark.parametrize("k", [2, 3, 4])
def test_auroc_at_k_is_the_mean_over_all_choices_of_subsets(k):
    answers = [list(a) for a in ("aabb", "aaab", "abcd", "aabc", "aaaa")]
    y = [1, 1, 0, 0, 1]
    found = dict(auroc_by_k(y, answers, range(5)))
    assert found[k].value == pytest.approx(_by_brute_force(y, answers, k))


def test_one_order_of_the_samples_is_an_unbiased_draw_of_it():
    """What the first k samples show, in random orders, has the printed figure as its mean."""
    rng = np.random.default_rng(5)
    answers, y = _answers(rng, k=6), rng.random(60) < 0.5
    draws = []
    for _ in range(400):
        first = [rng.permutation(a)[:2].tolist() for a in answers]
        draws.append(roc_auc_score(y, [majority_share(a) for a in first]))
    found = dict(auroc_by_k(y, answers, range(60)))[2].value
    assert abs(np.mean(draws) - found) < 4 * np.std(draws) / 20


def test_fewer_samples_tell_less_than_their_mean_over_subsets():
    """The AUROC of averaged shares, which is no figure of two samples, is far higher."""
    rng = np.random.default_rng(3)
    y = rng.random(400) < 0.6
    answers = [list(rng.choice(list("abcd"), 10, p=_sharp(0.75 if c else 0.5))) for c in y]
    found = dict(auroc_by_k(y, answers, range(400)))
    averaged = roc_auc_score(y, [majority_share_at_k(a)[0] for a in answers])
    assert averaged > found[10].value - 0.02 > found[2].value + 0.1
    values = [estimate.value for estimate in found.values()]
    assert values == sorted(values)


def _sharp(p):
    return [p, *[(1 - p) / 3] * 3]


def test_all_samples_give_the_auroc_of_self_consistency():
    rng = np.random.default_rng(1)
    answers, y, groups = _answers(rng), rng.random(60) < 0.6, np.arange(60) // 2
    found = auroc_by_k(y, answers, groups)
    assert [k for k, _ in found] == [2, 3, 4, 5]
    score = np.array([majority_share(a) for a in answers])
    expected, last = auroc_estimate(y, score, groups=groups), found[-1][1]
    for figure in ("value", "low", "high", "stderr"):
        assert getattr(last, figure) == pytest.approx(getattr(expected, figure))


def test_standard_error_is_that_of_the_jackknife_over_images():
    rng = np.random.default_rng(4)
    answers, y, groups = _answers(rng, n=240), rng.random(240) < 0.6, np.arange(240) // 3
    left_out = []
    for image in range(80):
        rows = np.flatnonzero(groups != image)
        found = dict(auroc_by_k(y[rows], [answers[i] for i in rows], groups[rows]))
        left_out.append(found[3].value)
    jackknife = np.sqrt(79 / 80 * np.sum((left_out - np.mean(left_out)) ** 2))
    assert dict(auroc_by_k(y, answers, groups))[3].stderr == pytest.approx(jackknife, rel=0.05)


def test_questions_with_fewer_samples_are_left_out():
    rng = np.random.default_rng(2)
    answers, y = _answers(rng), rng.random(60) < 0.6
    fewer = [*answers[:50], *(a[:3] for a in answers[50:55]), *([] for _ in range(5))]
    assert auroc_by_k(y, fewer, range(60)) == auroc_by_k(y[:50], answers[:50], range(50))


def test_silence_agrees_with_nothing():
    """Empty samples are categories of their own; a question with nothing else is left out."""
    answers = [["a", "", ""], ["a", "a", ""], ["b", "b", "b"], ["", "", ""]]
    named = [["a", "x", "y"], ["a", "a", "z"], ["b", "b", "b"]]
    found = auroc_by_k([0, 1, 1, 0], answers, range(4))
    assert [a.value for _, a in found] == [
        a.value for _, a in auroc_by_k([0, 1, 1], named, range(3))
    ]
    assert {a.reason for _, a in auroc_by_k([0, 1], [["", ""], ["", ""]], "ab")} == {"no samples"}


def test_without_two_samples_there_is_nothing():
    assert auroc_by_k([1, 0], [["a"], ["b"]], "ab") == ()
    assert auroc_by_k([], [], []) == ()


@pytest.mark.parametrize(
    ("y", "answers", "groups", "reason"),
    [
        ([1, 1], ["aab", "abc"], "ab", "one class only: all 2 answers are correct"),
        ([1, 0], ["aab", "abb"], "ab", "the same counts for all 2 questions"),
        ([1, 0], ["aab", "abc"], "aa", "one group only: no interval"),
    ],
)
def test_undefined_with_a_reason(y, answers, groups, reason):
    found = auroc_by_k(y, [list(a) for a in answers], groups)
    assert {estimate.reason for _, estimate in found} == {reason}


def test_perfect_separation_has_the_bound_of_independent_pairs():
    answers = [list("aaaa")] * 40 + [list("abcd")] * 40
    found = dict(auroc_by_k([1] * 40 + [0] * 40, answers, range(80)))
    for estimate in found.values():
        assert (estimate.value, estimate.high) == (1.0, 1.0)
        assert estimate.low == pytest.approx(0.05 ** (1 / 40))


def test_precision_at_full_agreement_by_hand():
    # three questions with full agreement on three images, two of them right
    y, shares = [1, 1, 0, 1, 0], [1.0, 1.0, 1.0, 0.9, 0.5]
    found = precision_at_full_agreement(y, shares, list("abcde"))
    assert found.value == 2 / 3
    assert (found.low, found.high) == pytest.approx(wilson_interval(2, 3))
    # the same on one image weighs as one
    one_image = precision_at_full_agreement([1, 1, 1, 0], [1.0, 1.0, 1.0, 0.4], list("aaab"))
    assert (one_image.low, one_image.high) == wilson_interval(3, 3, effective_n=1)


def test_no_full_agreement_is_undefined():
    found = precision_at_full_agreement([1, 0], [0.9, 0.8], "ab")
    assert found.reason == "no question on which all samples agree"


def test_refusals():
    with pytest.raises(ValueError, match="`samples` must be of length 3"):
        auroc_by_k([1, 0, 1], [["a", "a"]] * 2, "abc")
    with pytest.raises(ValueError, match="`y_true` must be 0 or 1"):
        auroc_by_k([1, 2], [["a", "a"]] * 2, "ab")
    with pytest.raises(ValueError, match="`shares` must be of length 2"):
        precision_at_full_agreement([1, 0], [1.0], "ab")
