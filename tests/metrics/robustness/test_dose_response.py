"""Rows of a sweep become curves whatever their order."""

import numpy as np
import pytest

from metrics import DoseResponse, answer_flips, dose_response

ROWS = {  # (sample, dose, seed) -> correct
    ("a", 0.1, 0): 1, ("a", 0.1, 1): 0, ("a", 0.5, 0): 0, ("a", 0.5, 1): 0,
    ("b", 0.1, 0): 1, ("b", 0.1, 1): 1, ("b", 0.5, 0): 1, ("b", 0.5, 1): 0,
}  # fmt: skip
CLEAN = {"a": 1, "b": 0}


def columns(order):
    keys = [list(ROWS)[i] for i in order]
    return {
        "sample": [k[0] for k in keys],
        "dose": [k[1] for k in keys],
        "correct": [ROWS[k] for k in keys],
        "clean": [CLEAN[k[0]] for k in keys],
    }


def test_rows_in_any_order_are_averaged_over_seeds():
    for order in (range(8), np.random.default_rng(0).permutation(8)):
        found = dose_response(["b", "a"], **columns(order))
        assert found.doses.tolist() == [0.1, 0.5]
        assert found.correct.tolist() == [[1.0, 0.5], [0.5, 0.0]]
        assert found.clean.tolist() == [0, 1]
    assert dose_response(["a"], **columns(range(8))).correct.tolist() == [[0.5, 0.0]]


def test_a_lacking_dose_is_refused():
    with pytest.raises(ValueError, match="`sample` must be complete, got 1 samples that lack"):
        dose_response(["a", "b"], **columns([0, 2, 4]))
    with pytest.raises(ValueError, match="`sample` must be complete"):
        dose_response(["z"], **columns(range(8)))
    with pytest.raises(ValueError, match="`clean` must be of length 8"):
        dose_response(["a"], **{**columns(range(8)), "clean": [1]})


def test_flips_count_both_ways():
    clean = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    after = np.array([[0.0], [1.0], [0.5], [1.0], [0.0]])
    (found,) = answer_flips(DoseResponse(np.ones(1), after, clean), groups=range(5))
    assert found.lost.value == pytest.approx((1 + 0.5) / 5)
    assert found.gained.value == pytest.approx(1 / 5)
    assert after.mean() - clean.mean() == pytest.approx(found.gained.value - found.lost.value)
