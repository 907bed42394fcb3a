import math

import numpy as np
import pytest

from metrics.discrimination import auroc
from metrics.errors import UndefinedMetricError
from metrics.stress_tests import (
    N_FEATURES,
    _overlap,
    attention_feature_scores,
    attention_features,
    attention_mlp_scores,
)


def test_features_by_hand():
    sharp, flat = np.zeros((10, 10)), np.ones((10, 10))
    sharp[0, 0:3] = sharp[9, 5:8] = 1.0
    found = attention_features(np.stack([flat, sharp, sharp, flat]), image_mass=0.4)
    peak = (2 / 6 + 2 / 100) / 4
    other = 2 / 100 / 4
    entropy = -6 * peak * math.log(peak) - 94 * other * math.log(other)
    assert found["peak"] == pytest.approx(peak)
    assert found["top_mass"] == pytest.approx(6 * peak)  # ten cells, four of them background
    assert found["spatial_entropy"] == pytest.approx(entropy, abs=1e-6)
    assert found["spatial_entropy_normalized"] == pytest.approx(entropy / math.log(100), abs=1e-6)
    assert (found["cluster_count"], found["component_count"]) == (2, 2)
    assert found["image_attention_mass"] == 0.4
    assert found["entropy_evolution"] == pytest.approx(0, abs=1e-9)
    assert found["lock_depth"] == pytest.approx(math.log(6) - math.log(100), abs=1e-6)
    assert found["final_diffusion"] == pytest.approx(math.log(100) - math.log(6), abs=1e-6)
    assert found["resharpenings"] == 0
    assert len(found) == N_FEATURES == 11
    with pytest.raises(UndefinedMetricError, match="two layers"):
        attention_features(sharp[None], image_mass=0.4)


def test_trees_find_an_interaction_and_noise_stays_at_a_half():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 11))
    groups = np.arange(800) // 2
    interaction = x[:, 3] * x[:, 7] > 0
    assert auroc(interaction, attention_feature_scores(x, interaction, groups, rng=rng)) > 0.85
    noise = rng.random(800) < 0.5
    assert abs(auroc(noise, attention_feature_scores(x, noise, groups, rng=rng)) - 0.5) < 0.06


def test_the_perceptron_finds_a_place_and_noise_stays_at_a_half():
    rng = np.random.default_rng(1)
    label = rng.random(400) < 0.6
    maps = rng.random((400, 3, 4, 4))
    noise = attention_mlp_scores(list(maps), label, np.arange(400), rng=rng)
    assert abs(auroc(label, noise) - 0.5) < 0.09
    maps[:, 2, 1, 3] += label
    assert auroc(label, attention_mlp_scores(list(maps), label, np.arange(400), rng=rng)) > 0.85


def test_items_seen_before_do_not_help():
    rng = np.random.default_rng(2)
    item = np.repeat(np.arange(100), 4)
    maps, label = rng.random((100, 2, 4, 4))[item], (rng.random(100) < 0.5)[item]
    assert abs(auroc(label, attention_mlp_scores(list(maps), label, item, rng=rng)) - 0.5) < 0.17
    rows = attention_mlp_scores(list(maps), label, np.arange(400), rng=rng)
    assert auroc(label, rows) > 0.75


def test_grids_are_brought_together_by_area():
    np.testing.assert_allclose(_overlap(4, 2), [[1, 1, 0, 0], [0, 0, 1, 1]])
    np.testing.assert_allclose(_overlap(3, 2), [[1, 0.5, 0], [0, 0.5, 1]])
    for n_from, n_to in ((5, 3), (7, 7), (8, 3)):
        np.testing.assert_allclose(_overlap(n_from, n_to).sum(axis=0), 1)
    rng = np.random.default_rng(3)
    label = np.arange(200) % 2
    maps = []
    for i in range(200):
        own = rng.random((2, *((4, 6) if i % 3 else (8, 5))))
        own[1, : own.shape[1] // 2] += 2 * label[i]
        maps.append(own / own.sum(axis=(1, 2), keepdims=True))
    assert auroc(label, attention_mlp_scores(maps, label, range(200), rng=rng)) > 0.9
    with pytest.raises(ValueError, match="one number of layers"):
        attention_mlp_scores([maps[0], maps[1][:1]], [0, 1], range(2), rng=rng)


def test_too_few_of_a_class_is_undefined():
    rng = np.random.default_rng(4)
    few = np.arange(100) >= 4
    with pytest.raises(UndefinedMetricError, match="4 wrong answers of 100"):
        attention_feature_scores(rng.random((100, 11)), few, range(100), rng=rng)
    with pytest.raises(ValueError, match="of 100 samples"):
        attention_feature_scores(rng.random((90, 11)), few, range(100), rng=rng)


@pytest.mark.parametrize(
    ("odd", "match"),
    [
        (np.ones((3, 3)), r"\(n_layers, height, width\) each, got shape \(3, 3\)"),
        (np.full((2, 3, 3), np.nan), "must be finite, got 1 maps that are not"),
        (np.ones((1, 3, 3)), r"of one number of layers, got \[1, 2\]"),
    ],
)
def test_each_malformed_map_is_named(odd, match):
    maps = [np.ones((2, 3, 3))] * 3
    with pytest.raises(ValueError, match=match):
        attention_mlp_scores([*maps, odd], [0, 1, 0, 1], range(4), rng=np.random.default_rng(0))


def test_no_maps_are_undefined():
    with pytest.raises(UndefinedMetricError, match="no maps"):
        attention_mlp_scores([], [], [], rng=np.random.default_rng(0))
