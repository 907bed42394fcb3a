from dataclasses import replace

import numpy as np
import pytest

from metrics.scores.discrimination import auroc
from metrics.states.probe_mlp import mlp_probe
from metrics.states.probes import cross_fit_probe
from tests.metrics.helpers.planted import planted_states


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    correct = rng.random(400) < 0.6
    hidden = planted_states(rng, correct, layer=3, dimension=2, auroc=0.85)
    groups = np.arange(400) // 2
    reference = cross_fit_probe(hidden, correct, groups, rng=np.random.default_rng(1))
    return correct, hidden, groups, reference


def test_the_mlp_finds_what_no_linear_probe_can():
    rng = np.random.default_rng(4)
    hidden = rng.normal(size=(900, 1, 3))
    correct = hidden[:, 0, 0] * hidden[:, 0, 1] > 0
    reference = cross_fit_probe(hidden, correct, np.arange(900), rng=rng)
    found = mlp_probe(hidden, correct, reference=reference, rng=rng, n_epochs=150, n_repeats=1)
    assert auroc(correct, reference.scores) < 0.6
    assert auroc(correct, found.scores) > 0.8


def test_of_many_dimensions_it_sees_the_leading_axes():
    rng = np.random.default_rng(5)
    correct = rng.random(200) < 0.5
    hidden = planted_states(rng, correct, n_layers=1, layer=0, d=40, dimension=0, auroc=0.9)
    hidden[:, :, 20:] = hidden[:, :, :1] + 0.1 * hidden[:, :, 20:]  # one strong common direction
    reference = cross_fit_probe(hidden, correct, np.arange(200), rng=rng, n_repeats=1)
    found = mlp_probe(hidden, correct, reference=reference, rng=rng, max_components=4, n_repeats=1)
    assert auroc(correct, found.scores) > 0.8


def test_own_label_never_reaches_own_score(planted):
    correct, hidden, _, reference = planted
    held_out = reference.fold == 0
    turned = np.where(held_out, ~correct, correct)
    one, two = (
        mlp_probe(
            hidden, y, reference=reference, rng=np.random.default_rng(3), n_epochs=2, n_repeats=1
        ).scores
        for y in (correct, turned)
    )
    assert (one[held_out] == two[held_out]).all()
    assert (one[~held_out] != two[~held_out]).any()


def test_the_repeats_are_on_the_splits_of_the_reference(planted):
    correct, hidden, _, reference = planted
    found = mlp_probe(
        hidden,
        correct,
        reference=reference,
        rng=np.random.default_rng(3),
        n_epochs=2,
        n_repeats=4,
    )
    rng = np.random.default_rng(3)
    alone = [
        mlp_probe(
            hidden,
            correct,
            reference=replace(reference, repeats=(split,)),
            rng=rng,
            n_epochs=2,
            n_repeats=1,
        ).scores
        for split in reference.repeats[:4]
    ]
    aurocs = [auroc(correct, scores) for scores in alone]
    assert auroc(correct, found.scores) in aurocs
    assert found.fit.repeats == 4
    assert found.fit.stderr == pytest.approx(np.sqrt(2.5 * 3 * np.var(aurocs, ddof=1)))
