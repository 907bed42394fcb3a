import numpy as np
import pytest

from metrics import UndefinedMetricError, auroc
from metrics.fitting.out_of_fold import Samples
from metrics.states.bicr import bicr_scores


def planted(seed=0, n=300, *, seen=3.0, unseen=0.0):
    """The state knows the label by ``seen``, the blank one by ``unseen``."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.6
    shown, blank = rng.normal(size=(2, n, 12)).astype(np.float32)
    shown[:, 0] += seen * label
    blank[:, 0] += unseen * label
    return shown, blank, Samples.of(label, np.arange(n) // 3)


def test_it_finds_what_is_there_and_nothing_in_noise():
    shown, blank, samples = planted()
    found = bicr_scores(shown, blank, samples, rng=np.random.default_rng(0))["bicr"]
    assert auroc(samples.label, found.scores) > 0.93
    assert found.fit.repeats == 4
    noise = []
    for seed in range(6):
        shown, blank, samples = planted(seed, seen=0.0)
        own = bicr_scores(shown, blank, samples, rng=np.random.default_rng(seed))["bicr"]
        noise.append(auroc(samples.label, own.scores))
    assert abs(np.mean(noise) - 0.5) < 0.06


def test_a_state_that_says_the_same_without_the_image_is_worth_less():
    """Two dimensions know the label; one of them knows it without the image too."""
    rng = np.random.default_rng(3)
    shown, blank, samples = planted(3, seen=2.0)
    shown[:, 1] += 2.0 * samples.label
    blank[:, 1] = shown[:, 1]
    found = bicr_scores(shown, blank, samples, rng=rng)["bicr"]
    own = [np.corrcoef(found.scores, shown[:, d])[0, 1] for d in (0, 1)]
    assert own[0] > own[1]


def test_its_control_is_what_the_same_networks_say_without_the_image():
    shown, blank, samples = planted(1)
    found = bicr_scores(shown, blank, samples, rng=np.random.default_rng(0))
    assert abs(auroc(samples.label, found["bicr_blank"].scores) - 0.5) < 0.1
    assert found["bicr_blank"].fit.repeats == 4
    same = bicr_scores(shown, shown, samples, rng=np.random.default_rng(0))
    assert auroc(samples.label, same["bicr_blank"].scores) > 0.9
    np.testing.assert_allclose(same["bicr_blank"].scores, same["bicr"].scores, atol=1e-5)


def test_what_does_not_vary_or_fit_is_refused():
    samples = planted()[2]
    with pytest.raises(UndefinedMetricError, match="vary"):
        bicr_scores(np.ones((300, 3)), np.ones((300, 3)), samples, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="alike"):
        bicr_scores(np.ones((300, 3)), np.ones((300, 2)), samples, rng=np.random.default_rng(0))
