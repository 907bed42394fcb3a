from types import SimpleNamespace

import numpy as np
import pytest

from metrics import probe_controls
from metrics.errors import UndefinedMetricError
from metrics.probe_controls import leakage_report, shuffled_label_aurocs
from tests.metrics.planted import leaking_items, planted_states


def test_leakage_line():
    rng = np.random.default_rng(3)
    states, correct, item = leaking_items(rng)
    found = leakage_report(states, correct, item, rng=rng, Cs=(1e-2,))
    assert found.row_split > 0.6
    assert found.grouped_split == pytest.approx(0.5, abs=0.09)
    assert str(found) == (
        f"probe AUROC {found.row_split:.3f} under a row split, "
        f"{found.grouped_split:.3f} under a split by image"
    )


def test_shuffled_labels_read_one_half_where_the_probe_does_not():
    rng = np.random.default_rng(4)
    correct = rng.random(400) < 0.5
    states = planted_states(rng, correct, n_layers=1, layer=0, d=4, auroc=0.9)
    found = shuffled_label_aurocs(
        states, correct, np.repeat(np.arange(100), 4), rng=rng, n_shuffles=4, Cs=(1e-2,)
    )
    assert found.shape == (4,)
    assert found.mean() == pytest.approx(0.5, abs=0.07)


def test_shuffling_keeps_the_images_whole(monkeypatch):
    rng = np.random.default_rng(5)
    item = np.repeat(np.arange(40), np.r_[[2] * 20, [5] * 20])
    correct = (np.arange(40) % 2)[item]
    seen = []

    def remember(hidden, label, groups, **options):
        seen.append(label)
        return SimpleNamespace(scores=np.arange(label.size, dtype=float))

    monkeypatch.setattr(probe_controls, "cross_fit_probe", remember)
    shuffled_label_aurocs(np.zeros((140, 1, 1)), correct, item, rng=rng, n_shuffles=3)
    for label in seen:
        assert label.sum() == correct.sum()
        assert (label != correct).any()
        assert all(len(set(label[item == i])) == 1 for i in range(40))


def test_refusals():
    rng = np.random.default_rng(0)
    for function in (leakage_report, shuffled_label_aurocs):
        with pytest.raises(UndefinedMetricError, match="0 wrong answers of 40, 20 are needed"):
            function(np.zeros((40, 1, 2)), np.ones(40), range(40), rng=rng)


def test_shuffled_labels_keep_no_trace_of_the_place_within_an_image():
    """Each image asks an easy and then a hard question, and the state says which of them it is."""
    rng = np.random.default_rng(0)
    hard = np.tile([0, 1], 150)
    label = rng.random(300) > 0.2 + 0.6 * hard
    states = rng.normal(size=(300, 1, 3)) + 3 * hard[:, None, None]
    found = shuffled_label_aurocs(states, label, np.arange(300) // 2, rng=rng, n_shuffles=4)
    assert abs(found.mean() - 0.5) < 0.08
