import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy

from metrics.errors import UndefinedMetricError
from metrics.maps.attention import (
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)

maps = arrays(np.float64, (4, 5), elements=st.floats(0, 1e3, allow_subnormal=False)).filter(
    lambda a: a.sum() > 1e-3
)


def test_spatial_entropy_by_hand():
    # p = (1/2, 1/4, 1/4, 0): H = 1/2 ln 2 + 2 * 1/4 ln 4 = 1.5 ln 2
    attention = [[2.0, 1.0], [1.0, 0.0]]
    assert spatial_entropy(attention, delta=0) == pytest.approx(1.5 * math.log(2), abs=1e-15)
    assert spatial_entropy(attention, normalize=True) == pytest.approx(1.5 / 2, abs=1e-8)


def test_delta_stands_inside_the_logarithm():
    expected = -(0.75 * math.log(0.75 + 0.1) + 0.25 * math.log(0.25 + 0.1))
    assert spatial_entropy([[3.0, 1.0]], delta=0.1) == pytest.approx(expected, abs=1e-15)


@given(maps, st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_spatial_entropy_properties(attention, factor, random):
    h = spatial_entropy(attention)
    assert h == pytest.approx(entropy(attention.ravel()), abs=1e-7)
    assert -1e-8 <= h <= math.log(20) + 1e-12
    assert spatial_entropy(factor * attention) == pytest.approx(h, abs=1e-9)
    cells = attention.ravel().tolist()
    random.shuffle(cells)
    assert spatial_entropy(np.reshape(cells, (5, 4))) == pytest.approx(h, abs=1e-9)


def test_uniform_map_has_the_largest_entropy():
    assert spatial_entropy(np.full((24, 24), 0.3)) == pytest.approx(math.log(576), abs=1e-6)


def test_clusters_by_hand():
    # 10 x 10, so k = 10 cells: two diagonal triples, one lone cell (noise), one bar of three
    attention = np.zeros((10, 10))
    attention[[0, 1, 2], [0, 1, 2]] = 3.0
    attention[[7, 8, 9], [9, 8, 7]] = 2.0
    attention[0, 9] = 1.5
    attention[5, 0:3] = 1.0
    assert cluster_count(attention) == 3
    assert connected_component_count(attention) == 4


def test_a_pair_is_noise_for_dbscan_and_a_component_for_the_other():
    attention = np.zeros((10, 10))
    attention[4, 4:6] = 1.0
    assert cluster_count(attention) == 0
    assert connected_component_count(attention) == 1


def test_ties_at_the_boundary_are_taken_together_and_the_background_never():
    # k = ceil(0.1 * 25) = 3; the 3rd largest is 2, which four cells share: all four are taken
    attention = np.ones((5, 5))
    attention[0, 0] = 3.0
    attention[[0, 4, 4, 4], [1, 2, 3, 4]] = 2.0
    assert connected_component_count(attention) == 2
    assert cluster_count(attention) == 1
    # with two cells above a flat background, the 3rd largest is the background: two cells are taken
    flat = np.ones((5, 5))
    flat[0, 0] = flat[4, 4] = 2.0
    assert connected_component_count(flat) == 2


def _components_slow(mask):
    left, n = set(zip(*np.nonzero(mask), strict=True)), 0
    while left:
        queue, n = deque([left.pop()]), n + 1
        while queue:
            i, j = queue.popleft()
            near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            queue.extend(near)
    return n


@pytest.mark.parametrize("seed", range(5))
def test_components_against_a_slow_loop(seed):
    attention = np.random.default_rng(seed).random((16, 16))
    top = attention >= np.sort(attention, axis=None)[-52]  # ceil(0.2 * 256) = 52
    assert connected_component_count(attention, share=0.2) == _components_slow(top)
    # with min_samples = 1 nothing is noise, and eps = 1.5 is 8-connectivity
    assert cluster_count(attention, share=0.2, min_samples=1) == _components_slow(top)


@given(maps.filter(lambda a: a.min() < a.max()), st.floats(0.1, 10))
def test_cluster_count_ignores_scale_and_orientation(attention, factor):
    n = cluster_count(attention, share=0.3)
    assert cluster_count(attention.T, share=0.3) == n
    assert cluster_count(attention[::-1] * factor, share=0.3) == n
    assert 0 <= n <= 20


def test_entropy_by_layer_is_the_entropy_of_each_layer():
    layers = np.random.default_rng(0).random((3, 4, 6))
    expected = [spatial_entropy(layer) for layer in layers]
    assert entropy_by_layer(layers).tolist() == pytest.approx(expected)
    assert entropy_by_layer(layers.reshape(3, -1)).tolist() == pytest.approx(expected)
    expected = [spatial_entropy(layer, normalize=True) for layer in layers]
    assert entropy_by_layer(layers, normalize=True).tolist() == pytest.approx(expected)


def test_evolution_by_hand():
    # L = 9: the first third holds layers 1 and 2; then two falls, of 0.3 + 0.2 and of 0.05 nats
    h = [6.0, 5.9, 3.4, 3.6, 3.3, 3.1, 3.5, 3.45, 4.45]
    found = entropy_evolution(h)
    assert found.deltas == pytest.approx([-0.1, -2.5, 0.2, -0.3, -0.2, 0.4, -0.05, 1.0])
    assert (found.lock_layer, found.lock_depth) == (2, pytest.approx(-2.5))
    assert found.final_diffusion == pytest.approx(1.0)
    assert found.n_resharpenings == 1
    assert entropy_evolution(h, min_drop=0.04).n_resharpenings == 2
    assert found.total == pytest.approx(4.45 - 6.0)


def test_no_lock_when_nothing_sharpens():
    found = entropy_evolution([1.0, 1.5, 2.0])
    assert (found.lock_layer, found.lock_depth, found.n_resharpenings) == (None, None, 0)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: spatial_entropy([[1.0, -0.5]]), ValueError, "non-negative, got min -0.5. Pass"),
        (lambda: spatial_entropy([[1.0, np.nan]]), ValueError, "finite, got 1 non-finite of 2"),
        (lambda: spatial_entropy(np.zeros((2, 2))), UndefinedMetricError, "sums to zero"),
        (lambda: spatial_entropy([[1.0]], normalize=True), UndefinedMetricError, "single cell"),
        (
            lambda: spatial_entropy([[1.0]], delta=-1),
            ValueError,
            "`delta` must be finite and >= 0, got -1",
        ),
        (lambda: cluster_count(np.ones((4, 4))), UndefinedMetricError, "constant"),
        (lambda: connected_component_count(np.ones((4, 4))), UndefinedMetricError, "constant"),
        (lambda: cluster_count(np.eye(4), share=0), ValueError, r"`share` must be in \(0, 1\]"),
        (lambda: cluster_count(np.eye(4), eps=0), ValueError, "got 0, 3"),
        (lambda: cluster_count(np.ones(4)), ValueError, r"2-dimensional, got shape \(4,\)"),
        (lambda: entropy_by_layer([[1.0, 1], [0, 0]]), UndefinedMetricError, "sums to zero"),
        (lambda: entropy_evolution([1.0]), UndefinedMetricError, "two layers, got 1"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
