import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.errors import UndefinedMetricError
from metrics.maps.grounding import (
    center_prior_map,
    mass_inside,
    peak_weighted_iou,
    pointing_game,
    top_share_iou,
    uniform_map,
)

SCORES = (pointing_game, mass_inside, peak_weighted_iou, top_share_iou)
maps = arrays(np.float64, (4, 5), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0])).filter(
    lambda a: a.sum() > 0
)
regions = arrays(np.float64, (4, 5), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])).filter(
    lambda a: a.sum() > 0
)


def test_a_planted_cell_scores_exactly():
    attention, region = np.zeros((10, 10)), np.zeros((10, 10))
    attention[3, 7] = 1.0
    region[3, 7] = region[4, 7] = 1.0
    assert pointing_game(attention, region) == 1.0
    assert mass_inside(attention, region) == 1.0
    assert peak_weighted_iou(attention, region) == 0.5
    # ten cells taken: the planted one, and nine places shared by 99 zeros
    inside = 1 + 9 / 99
    assert top_share_iou(attention, region) == pytest.approx(inside / (10 + 2 - inside), abs=1e-15)
    elsewhere = np.roll(region, 3, axis=1)
    assert pointing_game(attention, elsewhere) == mass_inside(attention, elsewhere) == 0.0
    assert peak_weighted_iou(attention, elsewhere) == 0.0


def test_by_hand():
    attention = np.array([[8.0, 4.0, 0.0], [2.0, 2.0, 0.0]])
    region = np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0]])
    assert pointing_game(attention, region) == 0.5
    assert mass_inside(attention, region) == (4 + 4 + 1) / 16
    # scaled: 1, .5, 0 / .25, .25, 0
    expected = (0.5 + 0.5 + 0.25) / (1 + 1 + 0.25 + 0.5 + 1)
    assert peak_weighted_iou(attention, region) == pytest.approx(expected, abs=1e-15)
    # half of six cells: 8, 4, and one place for two tied 2s
    inside = 0.5 + 1 + 0.5 * 0 + 0.5 * 0.5
    expected = inside / (3 + 3 - inside)
    assert top_share_iou(attention, region, share=0.5) == pytest.approx(expected, abs=1e-15)


def test_tied_peaks_count_by_expectation():
    attention = [[2.0, 2.0], [2.0, 1.0]]
    assert pointing_game(attention, [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(1 / 3)


@given(maps, regions)
def test_equal_slow_loops(attention, region):
    cells = [(i, j) for i in range(4) for j in range(5)]
    peak = max(attention[c] for c in cells)
    peaks = [c for c in cells if attention[c] == peak]
    assert pointing_game(attention, region) == pytest.approx(
        sum(region[c] for c in peaks) / len(peaks)
    )
    total = sum(attention[c] for c in cells)
    inside = sum(attention[c] * region[c] for c in cells)
    assert mass_inside(attention, region) == pytest.approx(inside / total)
    low = sum(min(attention[c] / peak, region[c]) for c in cells)
    high = sum(max(attention[c] / peak, region[c]) for c in cells)
    assert peak_weighted_iou(attention, region) == pytest.approx(low / high)
    # mean intersection over every order in which ties may be broken, by drawing cells one by one
    left, intersection, ranked = 2.0, 0.0, sorted(cells, key=lambda c: -attention[c])
    while left > 0:
        level = [c for c in ranked if attention[c] == attention[ranked[0]]]
        ranked = [c for c in ranked if c not in level]
        taken = min(1.0, left / len(level))
        intersection += taken * sum(region[c] for c in level)
        left -= taken * len(level)
    union = 2 + region.sum() - intersection
    assert top_share_iou(attention, region) == pytest.approx(intersection / union)


@given(maps, regions, st.sampled_from([1e-6, 0.3, 1e4]), st.randoms(use_true_random=False))
def test_scale_and_order_of_cells_do_not_matter(attention, region, factor, random):
    order = list(range(20))
    random.shuffle(order)
    mixed, mixed_region = (x.ravel()[order].reshape(5, 4) for x in (attention, region))
    for score in SCORES:
        value = score(attention, region)
        assert 0 <= value <= 1 + 1e-12
        assert score(factor * mixed, mixed_region) == pytest.approx(value, abs=1e-9)


@given(regions)
def test_chance_levels_follow_from_the_area_alone(region):
    uniform, area = uniform_map(4, 5), region.mean()
    for score in SCORES[:3]:
        assert score(uniform, region) == pytest.approx(area)
    q = 0.1
    assert top_share_iou(uniform, region) == pytest.approx(q * area / (q + area - q * area))


def test_a_random_map_scores_chance_on_average():
    rng = np.random.default_rng(0)
    region = np.zeros((8, 8))
    region[2:5, 1:4] = 1.0
    drawn = [rng.random((8, 8)) for _ in range(3000)]
    for score in (pointing_game, mass_inside):
        mean = np.mean([score(a, region) for a in drawn])
        assert mean == pytest.approx(9 / 64, abs=0.02)


def test_center_prior():
    prior = center_prior_map(5, 7)
    assert prior.sum() == pytest.approx(1)
    np.testing.assert_allclose(prior, prior[::-1, ::-1])
    assert np.unravel_index(prior.argmax(), prior.shape) == (2, 3)
    ratio = prior[2, 4] / prior[2, 3]
    assert ratio == pytest.approx(math.exp(-((1 / 7) ** 2) / (2 * 0.25**2)))


def test_undefined_and_malformed():
    one = np.ones((2, 2))
    for score in SCORES:
        with pytest.raises(UndefinedMetricError, match="region covers no part"):
            score(one, np.zeros((2, 2)))
        with pytest.raises(UndefinedMetricError, match="sums to zero"):
            score(np.zeros((2, 2)), one)
        with pytest.raises(ValueError, match="of the map's shape"):
            score(one, np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"in \[0, 1\], got 0 … 2"):
            score(one, [[0.0, 2.0], [1.0, 1.0]])
        with pytest.raises(ValueError, match="non-negative"):
            score(-one, one)
    with pytest.raises(ValueError, match="sigma"):
        center_prior_map(2, 2, sigma=0)
    with pytest.raises(ValueError, match="height, width"):
        uniform_map(0, 2)
