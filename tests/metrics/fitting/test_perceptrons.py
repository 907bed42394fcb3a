import numpy as np
import pytest
from scipy.special import expit

from metrics.fitting.out_of_fold import Samples, held_out, training_weights
from metrics.fitting.perceptrons import Perceptrons, classifier, cross_entropy_slope

RNG = np.random.default_rng(0)


def losses(networks, x, label, weight):
    """Written out network by network, in float64."""
    found = []
    n_hidden = networks.second.shape[1]
    for m in range(len(networks.second)):
        own = slice(m * n_hidden, (m + 1) * n_hidden)
        units = np.maximum(x.astype(float) @ networks.first[:, own] + networks.bias[own], 0)
        logit = units.mean(axis=1) @ networks.second[m] + networks.offset[m]
        p = expit(logit)
        found.append((weight[:, m] * -np.where(label, np.log(p), np.log(1 - p))).sum())
    return np.array(found)


@pytest.mark.parametrize("windows", [1, 3])
def test_gradients_are_those_of_finite_differences(windows):
    x = RNG.normal(size=(11, windows, 4)).astype(np.float32)
    label, weight = RNG.random(11) < 0.5, np.full((11, 2), 1 / 11, np.float32)
    networks = Perceptrons.drawn(4, 2, RNG, hidden=3)
    networks.bias += 0.3
    hidden, logits = networks.forward(x)
    slopes = networks.gradients(x, hidden, cross_entropy_slope(logits, label, weight))
    for name, gradient in zip(("first", "bias", "second", "offset"), slopes, strict=True):
        parameter = getattr(networks, name)
        for place in list(np.ndindex(parameter.shape))[:6]:
            before, step = parameter[place], 1e-3
            parameter[place] = before + step
            up = losses(networks, x, label, weight).sum()
            parameter[place] = before - step
            down = losses(networks, x, label, weight).sum()
            parameter[place] = before
            assert gradient[place] == pytest.approx((up - down) / (2 * step), abs=2e-3)


def test_a_network_is_not_moved_by_what_it_is_not_fitted_on():
    x = RNG.normal(size=(60, 1, 3)).astype(np.float32)
    label = RNG.random(60) < 0.5
    fold = np.arange(60)[None] % 5
    weight = training_weights(fold, label)
    one = classifier(x, label, weight, np.random.default_rng(1))
    other = classifier(x, label ^ (fold[0] == 2), weight, np.random.default_rng(1))
    scores, changed = (held_out(fold, own.forward(x)[1]) for own in (one, other))
    assert scores[0, fold[0] == 2] == pytest.approx(changed[0, fold[0] == 2])
    assert not np.allclose(scores[0, fold[0] == 3], changed[0, fold[0] == 3])


def test_folds_keep_an_image_on_one_side():
    samples = Samples.of(np.arange(200) % 2, np.arange(200) // 4)
    for fold in samples.splits(3, RNG):
        assert all(len(set(fold[image * 4 : image * 4 + 4])) == 1 for image in range(50))
