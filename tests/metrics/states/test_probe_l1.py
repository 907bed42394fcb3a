from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc
from metrics.states.probe_l1 import l1_probe
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


def test_l1_names_the_planted_dimension_and_scores_as_planted(planted):
    correct, hidden, groups, reference = planted
    found = l1_probe(hidden, correct, groups, reference=reference, rng=np.random.default_rng(2))
    first = found.dimensions[0]
    assert (first.layer, first.dimension, first.n_folds) == (3, 2, 5)
    assert first.weight > 0
    assert all(abs(d.weight) < first.weight / 3 for d in found.dimensions[1:])
    assert auroc(correct, found.scores) == pytest.approx(0.85, abs=0.05)


def test_l1_weights_are_those_of_another_solver_whose_intercept_is_free():
    rng = np.random.default_rng(0)
    correct = rng.random(400) < 0.8  # far from even, so that a penalised intercept shows
    hidden = planted_states(rng, correct, layer=3, dimension=2, auroc=0.85)
    groups = np.arange(400)
    reference = cross_fit_probe(hidden, correct, groups, rng=rng)
    assert set(reference.layer_per_fold) == {3}
    found = l1_probe(hidden, correct, groups, reference=reference, rng=rng, Cs=(0.03,), n_repeats=1)
    means = np.zeros(16)
    for fold in range(5):
        train = reference.fold != fold
        x = hidden[train, 3].astype(np.float32).astype(np.float64)
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        model = LogisticRegression(
            l1_ratio=1.0, C=0.03, solver="saga", tol=1e-6, max_iter=5000, random_state=0
        )
        means += model.fit(z, correct[train]).coef_[0] / 5
    for entry in found.dimensions:
        assert entry.weight == pytest.approx(means[entry.dimension], abs=5e-4)
    assert {entry.dimension for entry in found.dimensions} == set(np.flatnonzero(means))


def test_an_l1_probe_that_keeps_nothing_is_undefined_and_one_that_keeps_nothing_in_a_fold_is_not():
    rng = np.random.default_rng(0)
    correct, hidden = rng.random(300) < 0.8, rng.normal(size=(300, 2, 12))
    reference = cross_fit_probe(hidden, correct, np.arange(300), rng=rng)
    with pytest.raises(UndefinedMetricError, match="keeps no dimension in any fold"):
        l1_probe(hidden, correct, range(300), reference=reference, rng=rng, Cs=(0.001,))
    found = l1_probe(
        hidden, correct, range(300), reference=reference, rng=np.random.default_rng(1), n_repeats=1
    )
    silent = [f for f in range(5) if (found.scores[reference.fold == f] == 0).all()]
    assert silent == [f for f in range(5) if found.C_per_fold[f] == 0.01] != []  # leaves no weight
    assert found.fit is None


def test_own_label_never_reaches_own_score(planted):
    correct, hidden, groups, reference = planted
    held_out = reference.fold == 0
    turned = np.where(held_out, ~correct, correct)
    one, two = (
        l1_probe(
            hidden,
            y,
            groups,
            reference=reference,
            rng=np.random.default_rng(3),
            Cs=(0.03,),
            n_repeats=1,
        ).scores
        for y in (correct, turned)
    )
    assert (one[held_out] == two[held_out]).all()
    assert (one[~held_out] != two[~held_out]).any()


def test_the_repeats_are_on_the_splits_of_the_reference(planted):
    correct, hidden, groups, reference = planted
    found = l1_probe(
        hidden,
        correct,
        groups,
        reference=reference,
        rng=np.random.default_rng(3),
        Cs=(0.03,),
        n_repeats=4,
    )
    rng = np.random.default_rng(3)
    alone = [
        l1_probe(
            hidden,
            correct,
            groups,
            reference=replace(reference, repeats=(split,)),
            rng=rng,
            Cs=(0.03,),
            n_repeats=1,
        ).scores
        for split in reference.repeats[:4]
    ]
    aurocs = [auroc(correct, scores) for scores in alone]
    assert auroc(correct, found.scores) in aurocs
    assert found.fit.repeats == 4
    assert found.fit.stderr == pytest.approx(np.sqrt(2.5 * 3 * np.var(aurocs, ddof=1)))


def test_states_that_do_not_vary_are_refused_with_a_reason(planted):
    correct, hidden, _, reference = planted
    constant = np.ones_like(hidden)
    with pytest.raises(UndefinedMetricError, match="do not vary"):
        mlp_probe(constant, correct, reference=reference, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hidden": np.zeros((400, 5))}, r"\(400, n_layers \+ 1, d_model\), got shape \(400, 5\)"),
        ({"hidden": np.zeros((399, 5, 16))}, r"got shape \(399, 5, 16\)"),
        ({"hidden": np.full((400, 5, 16), np.nan)}, "6400 non-finite of 6400 at layer 3"),
        ({"hidden": np.zeros((400, 3, 16))}, "of a probe on the same 3 layers, got one that chose"),
        ({"hidden": np.zeros((90, 5, 16)), "correct": np.arange(90) % 2},
         "`reference.fold` must be of length 90"),
        ({"correct": np.full(400, 0.5)}, "0 or 1 everywhere, got 0.5"),
        ({"n_inner": 1}, "`n_inner` must be >= 2, got 1"),
        ({"n_epochs": 0}, "`n_epochs` must be >= 1, got 0"),
        ({"Cs": ()}, r"`Cs` must be positive numbers, got \[\]"),
    ],
)  # fmt: skip
def test_each_malformed_argument_is_named(planted, change, match):
    correct, hidden, _, reference = planted
    rest = {"hidden": hidden, "correct": correct} | change
    states, label = rest.pop("hidden"), rest.pop("correct")
    rng = np.random.default_rng(0)
    if "n_epochs" not in rest:
        with pytest.raises(ValueError, match=match):
            l1_probe(states, label, range(len(label)), reference=reference, rng=rng, **rest)
    if not {"n_inner", "Cs"} & set(rest):
        with pytest.raises(ValueError, match=match):
            mlp_probe(states, label, reference=reference, rng=rng, **rest)
