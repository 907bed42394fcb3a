import itertools

import numpy as np
import pytest

from metrics.bootstrap import auroc_estimate
from metrics.consistency_card import (
    auroc_by_k,
    majority_shares_by_k,
    precision_at_full_agreement,
)
from metrics.proportions import wilson_interval
from metrics.self_consistency import majority_share, majority_share_at_k


def _answers(rng, n=60, k=5):
    return [[f"a{v}" for v in rng.integers(0, 1 + i % 4, k)] for i in range(n)]


def test_shares_are_the_mean_over_all_subsets():
    answers = _answers(np.random.default_rng(0), n=12)
    shares = majority_shares_by_k(answers)
    for row, drawn in zip(shares, answers, strict=True):
        for k in range(2, 6):
            subsets = [majority_share(subset) for subset in itertools.combinations(drawn, k)]
            assert row[k - 2] == pytest.approx(np.mean(subsets))
        assert row == pytest.approx(majority_share_at_k(drawn))


def test_questions_with_fewer_samples_are_missing():
    shares = majority_shares_by_k([["a", "a", "b"], ["a", "b"], []])
    assert np.isnan(shares).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    silent = majority_shares_by_k([["", "", ""], ["", "a", "a"], ["a", "a", "b"]])
    assert np.isnan(silent).tolist() == [[True] * 2, [False] * 2, [False] * 2]
    assert silent[1].tolist() == silent[2].tolist()
    assert majority_shares_by_k([["a"], ["b"]]).shape == (2, 0)
    assert majority_shares_by_k([]).shape == (0, 0)


def test_every_k_has_the_auroc_of_its_share():
    rng = np.random.default_rng(1)
    answers, y = _answers(rng), rng.random(60) < 0.6
    groups = np.arange(60) // 2
    shares = majority_shares_by_k(answers)
    found = auroc_by_k(y, shares, groups=groups)
    assert [k for k, _ in found] == [2, 3, 4, 5]
    for k, estimate in found:
        assert estimate == auroc_estimate(y, shares[:, k - 2], groups=groups)
    assert found[-1][1].value == auroc_estimate(
        y, [majority_share(a) for a in answers], groups=groups
    ).value  # fmt: skip


def test_missing_shares_are_left_out():
    rng = np.random.default_rng(2)
    answers, y = _answers(rng), rng.random(60) < 0.6
    groups = range(60)
    shares = majority_shares_by_k([*answers[:50], *([] for _ in range(10))])
    kept = auroc_by_k(y[:50], shares[:50], groups=groups[:50])
    assert auroc_by_k(y, shares, groups=groups) == kept


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
    with pytest.raises(ValueError, match="`shares` must be of length 3"):
        auroc_by_k([1, 0, 1], np.ones((2, 2)), groups="abc")
    with pytest.raises(ValueError, match="`groups` must be of length 2"):
        auroc_by_k([1, 0], np.ones((2, 2)), groups="abc")
    with pytest.raises(ValueError, match="`shares` must be of length 2"):
        precision_at_full_agreement([1, 0], [1.0], "ab")
