import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar

from metrics.errors import UndefinedMetricError
from metrics.maps.grounding_maps import (
    boundary_filtered_map,
    context_free_activation,
    rank_gaussian_filter,
)

rows = arrays(np.float64, 6, elements=st.floats(0, 10)).filter(lambda a: a.sum() > 0.1)


def slow_remainder(values, explained):
    """The scale found by a search instead of the normal equation."""
    alpha = minimize_scalar(lambda x: float(((values - x * explained) ** 2).sum())).x
    return [max(0.0, v - alpha * e) for v, e in zip(values, explained, strict=True)]


@given(rows, rows)
def test_filter_equals_a_search_for_the_scale(attention, boundary):
    p, q = attention / attention.sum(), boundary / boundary.sum()
    np.testing.assert_allclose(
        boundary_filtered_map(attention, boundary), slow_remainder(p, q), atol=1e-6
    )


def test_filter_finds_what_was_added_to_the_boundary_map():
    boundary = np.array([5.0, 1.0, 1.0, 3.0])
    signal = np.array([0.0, 4.0, 0.0, 0.0])
    left = boundary_filtered_map(boundary + signal, boundary)
    assert left.argmax() == 1
    assert boundary_filtered_map(3 * boundary, boundary).max() == pytest.approx(0, abs=1e-15)


def test_filter_of_a_map_apart_from_the_boundary_leaves_it():
    np.testing.assert_allclose(boundary_filtered_map([2, 2, 0, 0], [0, 0, 1, 3]), [0.5, 0.5, 0, 0])


def test_context_by_hand():
    # interference (3 [1 0 2] + 1 [1 4 2]) / 4 = [1 1 2]; scale (2 + 1 + 8) / 6
    found = context_free_activation([2.0, 1.0, 4.0], [[1, 0, 2], [1, 4, 2]], [3.0, 1.0])
    scale = 11 / 6
    np.testing.assert_allclose(found, [2 - scale, 0, 4 - 2 * scale])


@given(
    rows,
    arrays(np.float64, (3, 6), elements=st.floats(0, 10)),
    arrays(np.float64, 3, elements=st.floats(0, 5)).filter(lambda w: w.sum() > 0.1),
)
def test_context_equals_a_slow_loop(activation, context, relevance):
    explained = np.zeros(6)
    for own, weight in zip(context, relevance, strict=True):
        for cell in range(6):
            explained[cell] += own[cell] * weight / relevance.sum()
    expected = slow_remainder(activation, explained) if explained.sum() > 1e-3 else activation
    if explained.sum() == 0 or explained.sum() > 1e-3:
        found = context_free_activation(activation, context, relevance)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_relevant_context_nothing_is_taken_away():
    assert context_free_activation([1.0, 2.0], np.zeros((0, 2)), []).tolist() == [1.0, 2.0]
    assert context_free_activation([1.0, 2.0], [[1.0, 2.0]], [0.0]).tolist() == [1.0, 2.0]


@given(arrays(np.float64, (4, 5), elements=st.floats(0, 9).map(lambda v: round(v, 3))))
def test_rank_filter_equals_a_slow_loop(activation):
    mirror = {-1: 1}
    found = rank_gaussian_filter(activation)
    for i in range(4):
        for j in range(5):
            window = sorted(
                activation[mirror.get(y, y if y < 4 else 2), mirror.get(x, x if x < 5 else 3)]
                for y in (i - 1, i, i + 1)
                for x in (j - 1, j, j + 1)
            )
            mean = sum(window) / 9
            spread = math.sqrt(sum((v - mean) ** 2 for v in window) / 9)
            if mean == 0 or spread < 1e-9 * mean:
                expected = mean
            else:
                kernel = [math.exp(-((r - 4) ** 2) / (2 * (spread / mean) ** 2)) for r in range(9)]
                expected = sum(k * v for k, v in zip(kernel, window, strict=True)) / sum(kernel)
            assert found[i, j] == pytest.approx(expected, abs=1e-9)


def test_rank_filter_removes_a_lone_outlier_and_keeps_a_block():
    activation = np.ones((9, 9))
    activation[1, 1] = 50.0
    activation[4:7, 4:7] = 8.0
    smooth = rank_gaussian_filter(activation)
    assert smooth[5, 5] == 8.0
    assert smooth[1, 1] < smooth[5, 5]


def test_undefined_and_malformed():
    with pytest.raises(UndefinedMetricError, match="sums to zero"):
        boundary_filtered_map([0.0, 0.0], [1.0, 1.0])
    with pytest.raises(UndefinedMetricError, match="sums to zero"):
        boundary_filtered_map([1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="boundary"):
        boundary_filtered_map([1.0, 1.0], [1.0])
    with pytest.raises(ValueError, match="context"):
        context_free_activation([1.0], [[1.0, 2.0]], [1.0])
    with pytest.raises(ValueError, match="odd"):
        rank_gaussian_filter(np.ones((3, 3)), size=2)
