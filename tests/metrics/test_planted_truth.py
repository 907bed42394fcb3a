"""What was planted is found again, within the interval that the room itself gives."""

import numpy as np
import pytest

from metrics.card.card import evaluate_card
from metrics.maps.attention import cluster_count, connected_component_count
from metrics.scores.discrimination import auroc
from metrics.states.probes import cross_fit_probe
from tests.metrics.helpers.planted import leaking_items, map_with_spots, planted_run, planted_states


def test_each_signal_within_its_interval():
    run = planted_run(np.random.default_rng(0))
    card = evaluate_card(
        correct=run.correct, groups=run.groups, kinds=run.kinds, signals=run.signals,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert card.n_groups == 300
    for result in card.signals[:3]:
        truth = run.auroc[result.name]
        assert result.auroc.low <= truth <= result.auroc.high, result.name
        assert result.within_kind_auroc.low <= truth <= result.within_kind_auroc.high


def test_images_make_the_interval_wider():
    run = planted_run(np.random.default_rng(0), image_share=0.9)
    widths = []
    for groups in (run.groups, [str(i) for i in range(len(run.groups))]):
        card = evaluate_card(
            correct=run.correct, groups=groups, kinds=run.kinds, signals=run.signals,
            rng=np.random.default_rng(1),
        )  # fmt: skip
        widths.append([card.accuracy.stderr, card.signals[0].auroc.stderr])
    assert (np.divide(*widths) > 1.2).all()


def test_informative_layer_is_found_and_the_score_is_as_good_as_planted():
    rng = np.random.default_rng(2)
    correct = rng.random(600) < 0.6
    hidden = planted_states(rng, correct, layer=3, auroc=0.85)
    found = cross_fit_probe(hidden, correct, np.arange(600), rng=rng)
    assert found.layer_per_fold.tolist() == [3] * 5
    assert auroc(correct, found.scores) == pytest.approx(0.85, abs=0.04)
    assert found.auroc_by_layer.argmax() == 3
    assert np.abs(np.delete(found.auroc_by_layer, 3) - 0.5).max() < 0.09


def test_noise_fixed_per_item_leaks_under_a_row_split_only():
    rng = np.random.default_rng(3)
    states, correct, item = leaking_items(rng)
    by_row = cross_fit_probe(states, correct, range(len(item)), rng=rng, Cs=(1e-2,))
    by_item = cross_fit_probe(states, correct, item, rng=rng, Cs=(1e-2,))
    assert auroc(correct, by_row.scores) > 0.6
    assert auroc(correct, by_item.scores) == pytest.approx(0.5, abs=0.09)


@pytest.mark.parametrize("n_spots", [1, 3, 6])
def test_spots_are_counted(n_spots):
    attention = map_with_spots(np.random.default_rng(n_spots), n_spots)
    # only the spots' own cells: 9 of 576 each
    share = 9 * n_spots / 576
    assert cluster_count(attention, share=share) == n_spots
    assert connected_component_count(attention, share=share) == n_spots
