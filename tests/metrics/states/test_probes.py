import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import Basis, logistic_path
from metrics.scores.discrimination import auroc
from metrics.states.nested_probe import Layers, Split, nested_fit
from metrics.states.probes import cross_fit_probe, last_layers_probe
from tests.metrics.helpers.planted import planted_states


def _data(seed=0, n=200, **options):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.6
    return rng, correct, planted_states(rng, correct, **options)


def test_no_group_is_on_both_sides():
    rng, correct, hidden = _data()
    groups = rng.integers(0, 60, 200)
    found = cross_fit_probe(hidden, correct, groups, rng=rng)
    assert all(len(set(found.fold[groups == g])) == 1 for g in np.unique(groups))
    assert sorted(set(found.fold)) == [0, 1, 2, 3, 4]
    assert np.isfinite(found.scores).all()


def test_own_label_never_reaches_own_score():
    # turning round the labels of the held-out fold leaves its scores as they were
    rng, correct, hidden = _data(n=120)
    fold = np.arange(120) % 4
    inner = np.full((4, 120), -1)
    for k in range(4):
        inner[k, fold != k] = rng.permutation(np.arange(90) % 3)
    layers = Layers.of("test", hidden, None)
    turned = np.where(fold == 0, ~correct, correct)
    one, two = (
        nested_fit(layers, label, Split(fold, inner), (0.01, 0.1)) for label in (correct, turned)
    )
    # rounding aside: all fits share one matrix product
    assert two.scores[fold == 0] == pytest.approx(one.scores[fold == 0], abs=1e-4)
    assert one.layer_per_fold[0] == two.layer_per_fold[0]
    assert abs(one.scores[fold != 0] - two.scores[fold != 0]).max() > 0.1


def test_a_split_is_what_a_naive_nested_cross_fit_gives():
    rng, correct, hidden = _data(n=150, d=8, n_layers=3, layer=2)
    groups = np.arange(150) // 2
    split = Split.draw(correct, groups, n_folds=3, n_inner=2, rng=rng)
    found = nested_fit(Layers.of("test", hidden, None), correct, split, (0.001, 0.1))
    z = (hidden - hidden.mean(axis=0)) / hidden.std(axis=0)
    for f in range(3):
        train, test, choices = split.fold != f, split.fold == f, {}
        for layer, c in itertools.product(range(3), (0.001, 0.1)):
            decided = np.full(150, np.nan)
            for i in range(2):
                fitted = train & (split.inner[f] != i)
                model = LogisticRegression(C=c, tol=1e-8).fit(z[fitted, layer], correct[fitted])
                held = split.inner[f] == i
                decisions = z[:, layer] @ model.coef_[0]
                decided[held] = decisions[held] / decisions.std()
            own = [
                auroc(correct[split.inner[f] == i], decided[split.inner[f] == i]) for i in (0, 1)
            ]
            choices[layer, c] = np.mean(own), decided[train]
        layer, c = max(choices, key=lambda choice: choices[choice][0])
        assert (found.layer_per_fold[f], found.c_per_fold[f]) == (layer, c)
        model = LogisticRegression(C=c, tol=1e-8).fit(z[train, layer], correct[train])
        centre, spread = choices[layer, c][1].mean(), choices[layer, c][1].std()
        decisions = z[:, layer] @ model.coef_[0]
        expected = (decisions[test] / decisions.std() - centre) / spread
        assert found.scores[test] == pytest.approx(expected, abs=0.02)


def test_a_fold_of_easier_answers_is_not_above_the_others():
    """Weak weights: the intercepts of the folds, which follow their shares of right answers, would
    rank the answers."""
    y = np.random.default_rng(0).random(77) < 0.6
    hidden = 5.0 * y[:, None, None]
    groups = np.random.default_rng(1).integers(0, 67, 77)
    found = cross_fit_probe(hidden, y, groups, rng=np.random.default_rng(2))
    assert set(found.C_per_fold) == {1e-4}
    assert (found.repeat_aurocs == 1).all()
    assert found.fit.stderr == 0


def test_the_reported_split_is_in_the_middle_and_the_others_give_the_spread():
    _, correct, hidden = _data(auroc=0.8)
    found = cross_fit_probe(
        hidden, correct, np.arange(200), rng=np.random.default_rng(1), n_repeats=7, n_shuffles=19
    )
    own = auroc(correct, found.scores)
    assert own in found.repeat_aurocs
    assert (
        abs(own - found.repeat_aurocs.mean())
        == abs(found.repeat_aurocs - found.repeat_aurocs.mean()).min()
    )
    assert (found.repeats[0][0] == found.fold).all()
    assert found.fit.repeats == 7
    assert found.fit.stderr == pytest.approx(np.sqrt(2.5 * 6 / 4 * found.repeat_aurocs.var(ddof=1)))
    assert found.fit.p == (1 + (found.shuffled_aurocs >= own).sum()) / 20 == 0.05
    assert abs(found.shuffled_aurocs.mean() - 0.5) < 0.05


def test_constant_layers_are_left_out():
    rng, correct, hidden = _data(layer=1, n_layers=3)
    hidden[:, 0] = 0.25
    hidden[:, 2, 1:] = 7.0
    found = cross_fit_probe(hidden.astype(np.float16), correct, np.arange(200), rng=rng)
    assert np.isnan(found.auroc_by_layer).tolist() == [True, False, False]
    assert set(found.layer_per_fold) == {1}
    with pytest.raises(UndefinedMetricError, match="do not vary at any layer"):
        cross_fit_probe(np.ones((200, 2, 3)), correct, np.arange(200), rng=rng)


def test_the_seed_decides_everything():
    _, correct, hidden = _data()
    one, two = (
        cross_fit_probe(hidden, correct, np.arange(200), rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert (one.scores == two.scores).all()


def test_scale_and_offset_of_a_dimension_do_not_matter():
    _, correct, hidden = _data(d=6)
    one = cross_fit_probe(hidden, correct, np.arange(200), rng=np.random.default_rng(3))
    other = hidden * np.array([1, 2, 4, 8, 0.5, 0.25]) + 3
    two = cross_fit_probe(other, correct, np.arange(200), rng=np.random.default_rng(3))
    assert two.scores == pytest.approx(one.scores, abs=5e-3)


def test_folds_are_comparable():
    # every fold has its own intercept and spread; after standardisation the pooled AUROC is no
    # worse than the mean of the folds' own
    rng, correct, hidden = _data(n=400, auroc=0.8)
    found = cross_fit_probe(hidden, correct, np.arange(400), rng=rng)
    own = [auroc(correct[found.fold == f], found.scores[found.fold == f]) for f in range(5)]
    assert auroc(correct, found.scores) == pytest.approx(np.mean(own), abs=0.02)
    assert found.scores.mean() == pytest.approx(0, abs=0.15)
    assert found.scores.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("n", "d"), [(40, 90), (90, 40)])
def test_rotation_changes_no_decision(n, d):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)).astype(np.float32), rng.random(n) < 0.5
    plain = Basis.fit(x, None if n > d else d)
    rotated = Basis.fit(x, None if n < d else d - 1)
    if n > d:
        assert rotated.axes.shape == (d, d - 1)
        return
    assert rotated.axes is not None
    decisions = []
    for basis in (Basis(plain.mean, plain.inverse_scale, None), rotated):
        ((coef, intercept),) = logistic_path(basis.transform(x), y, (0.01,))
        decisions.append(basis.transform(x) @ coef + intercept)
        back = Basis(plain.mean, plain.inverse_scale, None).transform(x) @ basis.to_input(coef)
        assert back + intercept == pytest.approx(decisions[-1], abs=1e-4)
    assert decisions[1] == pytest.approx(decisions[0], abs=5e-3)


def test_truncation_keeps_the_leading_axes():
    rng, correct, hidden = _data(d=40, dimension=0)
    hidden[:, :, 0] *= 3
    hidden[:, :, 20:] = hidden[:, :, :1] + 0.1 * hidden[:, :, 20:]  # one strong common direction
    found = cross_fit_probe(hidden, correct, np.arange(200), rng=rng, max_components=4)
    assert auroc(correct, found.scores) > 0.7


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"correct": np.r_[np.zeros(12), np.ones(88)]}, UndefinedMetricError,
         "12 wrong answers of 100, 20 are needed"),
        ({"correct": np.zeros(100)}, UndefinedMetricError, "0 correct answers of 100"),
        ({"groups": np.arange(100) % 4}, UndefinedMetricError,
         "correct answers in 2 groups only, 5 folds"),
        ({"hidden": np.zeros((100, 3))}, ValueError, r"\(100, n_layers \+ 1, d_model\), got shape"),
        ({"hidden": np.full((100, 2, 3), np.nan)}, ValueError, "300 non-finite of 300 at layer 0"),
        ({"Cs": (0.0, 1.0)}, ValueError, r"positive numbers, got \[0.0, 1.0\]"),
        ({"n_folds": 1}, ValueError, "`n_folds` must be >= 2, got 1"),
        ({"n_inner": 1}, ValueError, "`n_inner` must be >= 2, got 1"),
        ({"correct": np.full(100, 0.5)}, ValueError, "0 or 1 everywhere, got 0.5"),
    ],
)  # fmt: skip
def test_refusals(change, error, match):
    arguments = {
        "hidden": np.random.default_rng(0).normal(size=(100, 2, 3)),
        "correct": np.arange(100) % 2,
        "groups": np.arange(100),
        "rng": np.random.default_rng(0),
    }
    arguments |= change
    with pytest.raises(error, match=match):
        cross_fit_probe(
            arguments.pop("hidden"), arguments.pop("correct"), arguments.pop("groups"), **arguments
        )


def test_last_layers_join_what_each_layer_has_a_part_of():
    rng = np.random.default_rng(5)
    correct = rng.random(500) < 0.5
    hidden = rng.normal(size=(500, 6, 3))
    hidden[:, 1:, 0] += 0.7 * correct[:, None]  # each of the last five says the same a little
    one = cross_fit_probe(hidden, correct, np.arange(500), rng=np.random.default_rng(6))
    five = last_layers_probe(hidden, correct, np.arange(500), rng=np.random.default_rng(6))
    assert auroc(correct, five.scores) > auroc(correct, one.scores) + 0.05
    splits = [{fold.tobytes() for fold, _ in found.repeats} for found in (one, five)]
    assert splits[0] == splits[1]
    with pytest.raises(ValueError, match="must be >= 5, got 4"):
        last_layers_probe(hidden[:, :4], correct, np.arange(500), rng=rng)


def test_the_last_layers_need_states_by_layer():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"got shape \(60, 6\)"):
        last_layers_probe(np.zeros((60, 6)), np.arange(60) % 2, range(60), rng=rng)
