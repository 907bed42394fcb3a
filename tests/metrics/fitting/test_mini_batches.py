"""Networks trained side by side are scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from metrics.fitting.mini_batches import Part, Recipe, log_odds


def _theirs(part, label, recipe, seed):
    model = MLPClassifier(
        recipe.hidden, alpha=recipe.decay, learning_rate_init=recipe.rate,
        batch_size=min(recipe.batch, part.train.size), max_iter=recipe.epochs,
        n_iter_no_change=recipe.epochs, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(part.x[part.train], label[part.train])
    p = model.predict_proba(part.x[part.test])[:, 1].astype(np.float64)
    return np.log(p / (1 - p))


# folds that differ in rows, batches and width; one of fewer rows than a batch
@pytest.mark.parametrize("recipe", [
    Recipe((128,), 1e-4, 1e-4, 32, 4), Recipe((24, 12), 1e-3, 1e-2, 64, 5),
    Recipe((400,), 1e-3, 1.0, 30, 3),
])  # fmt: skip
@pytest.mark.parametrize("widths", [(6, 6, 6, 6), (6, 4, 6, 4), (400, 400, 400, 400)])
def test_the_same_networks_as_of_scikit_learn(recipe, widths):
    rng = np.random.default_rng(0)
    fold = np.repeat([0, 1, 2, 3], [16, 20, 31, 97])
    label = rng.random(fold.size) < 0.6
    wide = rng.normal(size=(fold.size, max(widths))).astype(np.float32)
    wide[label] += 0.5
    parts = [
        Part(wide[:, :k], np.flatnonzero(fold != f), np.flatnonzero(fold == f))
        for f, k in enumerate(widths)
    ]
    found = log_odds(parts, label, recipe, seed=3)
    for part in parts:
        np.testing.assert_allclose(
            found[part.test], _theirs(part, label, recipe, 3), rtol=1e-5, atol=1e-5
        )


def test_odds_of_the_certain_are_clipped():
    x = np.concatenate([np.full((50, 1), -30), np.full((50, 1), 30)]).astype(np.float32)
    label = x[:, 0] > 0
    parts = [Part(x, np.arange(100), np.arange(100))]
    found = log_odds(parts, label, Recipe((16,), 0.05, 0.0, 20, 40), seed=0)
    assert np.abs(found).max() == pytest.approx(np.log((1 - 1e-7) / 1e-7), rel=1e-6)
