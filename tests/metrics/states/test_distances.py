import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from metrics import UndefinedMetricError, auroc
from metrics.fitting.out_of_fold import Samples
from metrics.states.distances import Space, distance_scores

RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.normal(size=(80, 5)) @ RNG.normal(size=(5, 5)), RNG.normal(size=(9, 5))
RIGHT = np.arange(80) % 3 > 0
SPACE, ROWS = Space(np.concatenate([TRAIN, TEST])), np.arange(89)
GIVEN = ROWS[:80], np.append(RIGHT, np.ones(9, bool)), ROWS[80:]


def test_mahalanobis_is_scikit_learns():
    right, every = LedoitWolf().fit(TRAIN[RIGHT]), LedoitWolf().fit(TRAIN)
    assert SPACE.right(*GIVEN) == pytest.approx(-right.mahalanobis(TEST))
    expected = every.mahalanobis(TEST) - right.mahalanobis(TEST)
    assert SPACE.relative(*GIVEN) == pytest.approx(expected)


def test_the_tenth_neighbour_is_scikit_learns():
    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    far, _ = NearestNeighbors(n_neighbors=10).fit(unit(TRAIN[RIGHT])).kneighbors(unit(TEST))
    assert SPACE.nearest(*GIVEN) == pytest.approx(-far[:, 9])


def planted(strength, seed=0, n=240):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.6
    states = rng.normal(size=(n, 20)).astype(np.float32)
    states[:, 0] += strength * label
    return states, Samples.of(label, np.arange(n) // 2)


def test_right_answers_lie_nearer_and_noise_tells_nothing():
    states, samples = planted(4.0)
    found = distance_scores(states, samples, rng=np.random.default_rng(1))
    assert auroc(samples.label, found["relative_mahalanobis_distance"].scores) > 0.9
    assert found["relative_mahalanobis_distance"].fit.p == 0.05
    assert (found["mahalanobis_distance"].scores <= 0).all()
    noise = []
    for seed in range(6):
        states, samples = planted(0.0, seed)
        own = distance_scores(states, samples, rng=np.random.default_rng(1))
        noise += [auroc(samples.label, f.scores) for f in own.values()]
    assert abs(np.mean(noise) - 0.5) < 0.05


def test_an_image_tells_nothing_of_itself():
    """Features that are fixed per image, labels too: a row split would find them."""
    rng = np.random.default_rng(2)
    image = np.repeat(np.arange(40), 6)
    label = (rng.random(40) < 0.5)[image]
    states = rng.normal(size=(40, 30))[image] + 0.01 * rng.normal(size=(240, 30))
    found = distance_scores(states, Samples.of(label, image), rng=np.random.default_rng(1))
    assert auroc(label, found["knn_distance"].scores) < 0.75


def test_states_that_do_not_vary_are_undefined():
    with pytest.raises(UndefinedMetricError, match="vary"):
        distance_scores(np.ones((60, 3)), planted(1, n=60)[1], rng=RNG)
    with pytest.raises(UndefinedMetricError, match="20 are needed"):
        Samples.of(np.arange(30) < 25, np.arange(30))
