import numpy as np
import pytest

from metrics import UndefinedMetricError, auroc
from metrics.fitting.out_of_fold import Samples
from metrics.states.network_detectors import inspector_scores, saplma_scores, spaced


def planted(strength, seed=0, n=300, layers=6):
    """Every layer tells a little of the label, with noise of its own."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.5
    states = rng.normal(size=(n, layers, 6)).astype(np.float32)
    states[:, :, 0] += strength * label[:, None]
    return states, Samples.of(label, np.arange(n) // 3)


def mean_auroc(scores_of, shape, seeds=6):
    found = []
    for seed in range(seeds):
        states, samples = planted(0, seed)
        own = scores_of(states if shape == 3 else states[:, 0], samples,
                        rng=np.random.default_rng(seed))  # fmt: skip
        found.append(auroc(samples.label, own.scores))
    return np.mean(found)


def test_the_convolution_puts_layers_together():
    states, samples = planted(1.0)
    found = inspector_scores(states, samples, rng=np.random.default_rng(0))
    alone = saplma_scores(states[:, 3], samples, rng=np.random.default_rng(0))
    assert auroc(samples.label, found.scores) > 0.78
    assert auroc(samples.label, found.scores) > auroc(samples.label, alone.scores) + 0.05
    assert found.fit.repeats == 4


def test_saplma_finds_what_no_line_parts():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(400, 6)).astype(np.float32)
    label = states[:, 0] * states[:, 1] > 0
    samples = Samples.of(label, np.arange(400) // 2)
    found = saplma_scores(states, samples, rng=np.random.default_rng(0))
    assert auroc(label, found.scores) > 0.8


def test_noise_tells_nothing():
    assert abs(mean_auroc(saplma_scores, 2) - 0.5) < 0.06
    assert abs(mean_auroc(inspector_scores, 3) - 0.5) < 0.06


def test_layers_are_spaced_from_the_first_to_the_last():
    by_layer = np.arange(33)[:, None]
    assert spaced(by_layer)[:, 0].tolist() == [0, 5, 9, 14, 18, 23, 27, 32]
    assert len(spaced(by_layer[:5])) == 5


def test_too_few_layers_or_none_that_varies():
    samples = planted(0)[1]
    with pytest.raises(UndefinedMetricError, match="2 layers only"):
        inspector_scores(np.ones((300, 2, 3)), samples, rng=np.random.default_rng(0))
    with pytest.raises(UndefinedMetricError, match="vary"):
        inspector_scores(np.ones((300, 4, 3)), samples, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_layers"):
        inspector_scores(np.ones((300, 4)), samples, rng=np.random.default_rng(0))
