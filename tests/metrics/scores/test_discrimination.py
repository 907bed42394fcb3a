import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc, error_average_precision, within_kind_auroc
from tests.metrics.helpers.scored import scored


def test_auroc_by_hand():
    # correct 3, 2, 2 against wrong 2, 1: pairs 3>2, 3>1, 2=2, 2>1, 2=2, 2>1
    assert auroc([1, 1, 1, 0, 0], [3, 2, 2, 2, 1]) == (1 + 1 + 0.5 + 1 + 0.5 + 1) / 6


def test_orientation_is_fixed():
    assert auroc([1, 0, 0], [1, 2, 3]) == 0.0


def test_within_kind_by_hand():
    # kind a: correct 5, 1 against wrong 3, 2: 2 of 4 pairs; kind b: 9 against 8, 7, 9: 2.5 of 3
    y = [1, 1, 0, 0, 1, 0, 0, 0, 1, 1]
    s = [5, 1, 3, 2, 9, 8, 7, 9, 0, 0]
    kinds = list("aaaabbbbcc")  # kind c has no error and drops out
    assert within_kind_auroc(y, s, kinds) == (2 + 2.5) / (4 + 3)


def test_a_score_that_only_tells_kinds_apart():
    # wrong answers sit in kind b: the mixture looks good, each kind is a coin
    rng = np.random.default_rng(1)
    kinds = np.repeat(["a", "b"], 1000)
    y = rng.random(2000) < np.where(kinds == "a", 0.9, 0.4)
    s = (kinds == "a") + 0.01 * rng.random(2000)
    assert auroc(y, s) > 0.7
    assert within_kind_auroc(y, s, kinds) == pytest.approx(0.5, abs=0.05)


def test_error_average_precision_by_hand():
    # from the lowest score: wrong, correct+wrong tied, correct, wrong, correct
    # recall rises by 1/3 at precision 1/1, 2/3 and 3/5
    y, s = [0, 1, 0, 1, 0, 1], [1, 2, 2, 3, 4, 5]
    assert error_average_precision(y, s) == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


@given(scored())
def test_against_sklearn(data):
    y, s = data
    assert auroc(y, s) == pytest.approx(roc_auc_score(y, s))
    assert error_average_precision(y, s) == pytest.approx(average_precision_score(1 - y, -s))


@given(scored(), st.integers(0, 3))
def test_within_kind_against_a_slow_loop(data, seed):
    y, s = data
    kinds = np.random.default_rng(seed).integers(0, 3, y.size)
    pairs = [
        (s[i] > s[j]) + 0.5 * (s[i] == s[j])
        for i in np.flatnonzero(y == 1)
        for j in np.flatnonzero(y == 0)
        if kinds[i] == kinds[j]
    ]
    try:
        assert within_kind_auroc(y, s, kinds.tolist()) == pytest.approx(np.mean(pairs))
    except UndefinedMetricError:
        assert set(pairs) <= {0.5}


@given(scored())
def test_properties(data):
    y, s = data
    a = auroc(y, s)
    assert 0 <= a <= 1
    assert auroc(y, np.exp(s)) == pytest.approx(a)
    assert auroc(y, -s) == pytest.approx(1 - a)
    assert auroc(1 - y, s) == pytest.approx(1 - a)
    assert within_kind_auroc(y, s, ["one"] * y.size) == pytest.approx(a)
    assert 0 < error_average_precision(y, s) <= 1
    assert error_average_precision(y[::-1], s[::-1]) == pytest.approx(error_average_precision(y, s))


@pytest.mark.parametrize(
    "function", [auroc, error_average_precision, lambda y, s: within_kind_auroc(y, s, "a" * len(y))]
)
def test_refusals(function):
    with pytest.raises(UndefinedMetricError, match="all 3 answers are correct"):
        function([1, 1, 1], [1, 2, 3])
    with pytest.raises(UndefinedMetricError, match="all 2 answers are wrong"):
        function([0, 0], [1, 2])
    with pytest.raises(UndefinedMetricError, match="constant"):
        function([0, 1], [2.5, 2.5])
    with pytest.raises(UndefinedMetricError, match="no samples"):
        function([], [])
    with pytest.raises(ValueError, match=r"0 or 1 everywhere, got 0.5\. Binarise"):
        function([0, 0.5], [1, 2])
    with pytest.raises(ValueError, match="finite, got 1 non-finite of 2"):
        function([0, 1], [1, np.nan])
    with pytest.raises(ValueError, match="of length 2, one per sample, got length 3"):
        function([0, 1], [1, 2, 3])


def test_within_kind_has_reasons_of_its_own():
    with pytest.raises(UndefinedMetricError, match="no question kind has both"):
        within_kind_auroc([1, 0], [1, 2], ["a", "b"])
    with pytest.raises(UndefinedMetricError, match="constant within every question kind"):
        within_kind_auroc([1, 0, 1, 0], [1, 1, 2, 2], ["a", "a", "b", "b"])
