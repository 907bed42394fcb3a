import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from metrics import UndefinedMetricError, auroc
from metrics.core.folds import training_folds
from metrics.fitting.out_of_fold import N_REPEATS, Samples
from metrics.states.network_detectors import ccps_scores
from metrics.states.neurons import most_varying, neuron_scores, strength_of


def planted(strength, seed=0, n=240, n_neurons=30):
    """Contributions as small as those of a real layer; one of them tells."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.6
    shares = 0.01 * rng.random((n, n_neurons))
    shares[:, 7] += 0.01 * strength * label
    return shares.astype(np.float16), Samples.of(label, np.arange(n) // 2)


def test_it_is_scikit_learns_regression_on_the_same_folds():
    x, samples = planted(0.5)
    found = neuron_scores(x, samples, rng=np.random.default_rng(5)).scores
    wide = x.astype(float)
    z = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    own = []
    for fold in samples.splits(N_REPEATS, np.random.default_rng(5)):
        scores = np.empty(len(x))
        for train, test in training_folds(samples.label, fold):
            y = samples.label[train]
            noise = np.sqrt(y.size * y.mean() * (1 - y.mean()) * 2 * np.log(30))
            model = LogisticRegression(
                l1_ratio=1.0, C=2 / noise, solver="saga", tol=1e-6, max_iter=20000
            )
            scores[test] = z[test] @ model.fit(z[train], y).coef_[0]
        own.append(scores)
    assert min(abs(found - scores).max() for scores in own) < 0.01


def test_it_finds_the_neuron_and_nothing_in_noise():
    x, samples = planted(1.5)
    found = neuron_scores(x, samples, rng=np.random.default_rng(0))
    assert auroc(samples.label, found.scores) > 0.9
    assert found.fit.repeats == 4
    noise = []
    for seed in range(6):
        x, samples = planted(0.0, seed)
        own = neuron_scores(x, samples, rng=np.random.default_rng(seed))
        noise.append(auroc(samples.label, own.scores))
    assert abs(np.mean(noise) - 0.5) < 0.07


def test_few_neurons_that_know_nothing_are_kept():
    """Of noise, half the universal threshold keeps a few in a hundred."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 400)), rng.random(600) < 0.7
    model = LogisticRegression(l1_ratio=1.0, C=strength_of(y, 400), solver="liblinear")
    kept = np.count_nonzero(model.fit(x, y).coef_)
    assert kept < 0.15 * 400


def test_the_neurons_that_vary_most_are_fitted_on():
    x = np.random.default_rng(0).normal(size=(50, 200_000)).astype(np.float16)
    x[:, [3, 70_000, 199_999]] *= 30
    assert most_varying(x, 3).tolist() == [3, 70_000, 199_999]


def test_what_does_not_vary_or_fit_is_refused():
    _, samples = planted(1.0)
    with pytest.raises(UndefinedMetricError, match="varies"):
        neuron_scores(np.ones((240, 3)), samples, rng=np.random.default_rng(0))
    with pytest.raises(UndefinedMetricError, match="vary"):
        ccps_scores(np.ones((240, 75)), samples, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_samples"):
        neuron_scores(np.ones((10, 3)), samples, rng=np.random.default_rng(0))


def test_pushed_states_that_tell():
    rng = np.random.default_rng(0)
    label = rng.random(300) < 0.5
    features = rng.normal(size=(300, 75)) * 10.0 ** rng.integers(-3, 4, 75)
    features[:, 5] += 3 * label * features[:, 5].std()
    features[:, 6] = 1.0  # always the largest
    samples = Samples.of(label, np.arange(300) // 3)
    found = ccps_scores(features, samples, rng=np.random.default_rng(0))
    assert auroc(label, found.scores) > 0.85
