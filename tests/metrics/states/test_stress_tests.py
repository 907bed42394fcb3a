import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc
from metrics.states.stress_tests import (
    _overlap,
    attention_feature_scores,
    attention_mlp_scores,
)


def test_trees_find_an_interaction_and_noise_stays_at_a_half():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 11))
    groups = np.arange(800) // 2
    interaction = x[:, 3] * x[:, 7] > 0
    assert (
        auroc(interaction, attention_feature_scores(x, interaction, groups, rng=rng).scores) > 0.85
    )
    noise = rng.random(800) < 0.5
    assert (
        abs(auroc(noise, attention_feature_scores(x, noise, groups, rng=rng).scores) - 0.5) < 0.06
    )


def test_the_perceptron_finds_a_place_and_noise_stays_at_a_half():
    rng = np.random.default_rng(1)
    label = rng.random(400) < 0.6
    maps = rng.random((400, 3, 4, 4))
    noise = attention_mlp_scores(list(maps), label, np.arange(400), rng=rng).scores
    assert abs(auroc(label, noise) - 0.5) < 0.09
    maps[:, 2, 1, 3] += label
    assert (
        auroc(label, attention_mlp_scores(list(maps), label, np.arange(400), rng=rng).scores) > 0.85
    )


def test_items_seen_before_do_not_help():
    rng = np.random.default_rng(2)
    item = np.repeat(np.arange(100), 4)
    maps, label = rng.random((100, 2, 4, 4))[item], (rng.random(100) < 0.5)[item]
    assert (
        abs(auroc(label, attention_mlp_scores(list(maps), label, item, rng=rng).scores) - 0.5)
        < 0.17
    )
    rows = attention_mlp_scores(list(maps), label, np.arange(400), rng=rng).scores
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
    assert auroc(label, attention_mlp_scores(maps, label, range(200), rng=rng).scores) > 0.9
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


def test_repeats_give_a_spread_and_the_middle_one_is_reported():
    rng = np.random.default_rng(6)
    label, x = rng.random(200) < 0.5, rng.normal(size=(200, 11))
    maps = rng.random((200, 2, 3, 3))
    found = (
        attention_feature_scores(x, label, np.arange(200) // 2, rng=rng),
        attention_mlp_scores(list(maps), label, np.arange(200) // 2, rng=rng),
    )
    assert [one.fit.repeats for one in found] == [10, 6]
    assert all(0.005 < one.fit.stderr < 0.15 for one in found)
    again = [
        attention_feature_scores(
            x, label, np.arange(200) // 2, rng=np.random.default_rng(7), n_repeats=n
        )
        for n in (1, 4)
    ]
    assert again[0].fit is None
    assert again[1].fit.stderr > 0


def test_of_many_inputs_the_perceptron_sees_the_leading_axes():
    rng = np.random.default_rng(8)
    label = rng.random(200) < 0.5
    maps = rng.random((200, 2, 12, 12))  # 288 inputs
    maps[:, 1, :6] += 2 * label[:, None, None]
    found = attention_mlp_scores(list(maps), label, range(200), rng=rng, n_repeats=1)
    assert auroc(label, found.scores) > 0.9
    with pytest.raises(UndefinedMetricError, match="the maps do not vary"):
        attention_mlp_scores(list(np.ones((200, 2, 12, 12))), label, range(200), rng=rng)
