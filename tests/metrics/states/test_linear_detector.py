import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from metrics import UndefinedMetricError, auroc
from metrics.core.folds import training_folds
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.out_of_fold import N_REPEATS, Samples
from metrics.states.linear_detector import STRENGTH, linear_scores


def planted(strength, seed=0, n=240):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.6
    x = rng.normal(size=(n, 12))
    x[:, 0] += strength * label
    return x, Samples.of(label, np.arange(n) // 2)


def test_it_is_scikit_learns_regression_on_the_same_folds():
    x, samples = planted(1.0)
    found = linear_scores(x, samples, rng=np.random.default_rng(5)).scores
    z = principal_coordinates(x.astype(np.float32), 128).astype(float)
    own = []
    for fold in samples.splits(N_REPEATS, np.random.default_rng(5)):
        scores = np.empty(len(x))
        for train, test in training_folds(samples.label, fold):
            model = LogisticRegression(C=STRENGTH, tol=1e-8).fit(z[train], samples.label[train])
            scores[test] = model.decision_function(z[test])
        own.append(scores)
    assert min(abs(found - scores).max() for scores in own) < 0.02


def test_it_finds_what_is_there_and_nothing_in_noise():
    x, samples = planted(3.0)
    found = linear_scores(x, samples, rng=np.random.default_rng(0))
    assert auroc(samples.label, found.scores) > 0.93
    assert found.fit.p == 0.05
    noise = [planted(0.0, seed) for seed in range(8)]
    own = [auroc(s.label, linear_scores(x, s, rng=np.random.default_rng(0)).scores)
           for x, s in noise]  # fmt: skip
    assert abs(np.mean(own) - 0.5) < 0.06


def test_features_that_do_not_vary_or_fit_are_refused():
    _, samples = planted(1.0)
    with pytest.raises(UndefinedMetricError, match="vary"):
        linear_scores(np.ones((240, 3)), samples, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_samples"):
        linear_scores(np.ones((10, 3)), samples, rng=np.random.default_rng(0))
