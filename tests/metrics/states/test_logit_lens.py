import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.errors import UndefinedMetricError
from metrics.states.logit_lens import answer_margin, margin_summary, mlp_share


def test_margin_by_hand():
    logits = [[3.0, 1.0, -2.0], [0.0, 4.5, 4.0]]
    assert answer_margin(logits, 1).tolist() == [1 - 3, 4.5 - 4]


@given(arrays(np.float64, (3, 5), elements=st.floats(-9, 9)), st.integers(0, 4))
def test_margin_properties(logits, token):
    margins = answer_margin(logits, token)
    slow = [row[token] - max(v for i, v in enumerate(row) if i != token) for row in logits]
    assert margins == pytest.approx(slow)
    assert answer_margin(logits + 3, token) == pytest.approx(margins)
    assert (logits.argmax(axis=1)[margins > 0] == token).all()


def test_summary_by_hand():
    # range 9.7, threshold 0.97: silent through layer 2; layers 2 and 4 fall by 0.7 and 0.5 only
    found = margin_summary([-1.0, -0.5, -1.2, 2.0, 1.5, 8.5, 5.5])
    assert (found.peak_layer, found.peak_margin, found.final_margin) == (5, 8.5, 5.5)
    assert found.silent_until == 2
    assert found.suppression_layers == (6,)
    assert margin_summary([0.0, 5.0, 4.9]).silent_until is None


def test_refusals():
    with pytest.raises(ValueError, match="`token` must be in 0 … 2 of at least 2, got 3"):
        answer_margin(np.zeros((2, 3)), 3)
    with pytest.raises(UndefinedMetricError, match="constant or has fewer"):
        margin_summary([1.0, 1.0])
    with pytest.raises(ValueError, match="1 non-finite of 2"):
        margin_summary([1.0, np.inf])


def test_mlp_share_by_hand():
    assert mlp_share([1.0, 2.0, -0.5], [0.5, 0.0, 1.0]) == 2.5 / (2.5 + 1.5)
    assert mlp_share([3.0], [-1.0]) == 1.5  # attention works against it


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.floats(0.1, 100))
def test_mlp_share_and_attention_share_make_one_and_ignore_scale(parts, factor):
    mlp, attention = np.array(parts), np.array(parts[::-1]) / 2
    share = mlp_share(mlp, attention)
    assert share + mlp_share(attention, mlp) == pytest.approx(1)
    assert mlp_share(factor * mlp, factor * attention) == pytest.approx(share)


def test_mlp_share_of_a_margin_that_falls_is_undefined():
    with pytest.raises(UndefinedMetricError, match="does not grow"):
        mlp_share([-1.0, 0.5], [0.0, 0.0])
    with pytest.raises(ValueError, match="from_attention"):
        mlp_share([1.0], [1.0, 2.0])
