"""What fitted detectors make of nothing: shuffled labels, on noise and on what is planted."""

import numpy as np
import pytest

from metrics import auroc
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread
from metrics.fitting.out_of_fold import FEW_SHUFFLES, Samples, fitted_scores, held_out, parts
from metrics.fitting.permutation import shuffled_aurocs
from metrics.second_pass.detectors import DETECTORS
from metrics.states.stress_tests import attention_feature_scores, attention_mlp_scores

N = 200
# detector -> shapes of one sample's inputs, as it reduces them
SHAPES = {
    "lookback_ratio": [(24,)], "halp_vision": [(16,)], "halp_image_token": [(16,)],
    "saplma": [(16,)], "internal_inspector": [(5, 16)], "bicr": [(16,), (16,)],
    "h_neurons": [(40,)], "ccps": [(75,)], "mahalanobis_distance": [(16,)],
}  # fmt: skip


def noise(seed=0):
    rng = np.random.default_rng(seed)
    return rng, Samples.of(rng.random(N) < 0.7, np.arange(N) // 2)


def fitted_to_noise():
    """Every detector that reads arrays, and the stress tests: signal -> what fitting adds."""
    found = {}
    for detector in DETECTORS:
        rng, samples = noise(len(found))
        if detector.signals[0] in SHAPES:
            shapes = SHAPES[detector.signals[0]]
            inputs = [rng.normal(size=(N, *shape)).astype(np.float32) for shape in shapes]
            own = detector.fit(inputs, samples, rng)
            found |= {name: scores.fit for name, scores in own.items()}
    rng, samples = noise(99)
    label, groups = samples.label, samples.group
    trees = attention_feature_scores(rng.normal(size=(N, 5)), label, groups, rng=rng, n_repeats=4)
    maps = list(rng.random((N, 2, 3, 3)))
    network = attention_mlp_scores(maps, label, groups, rng=rng, n_repeats=4)
    return found | {"attention_features": trees.fit, "attention_mlp": network.fit}


def test_no_detector_finds_anything_in_shuffled_labels():
    found = fitted_to_noise()
    assert {own.signals[0] for own in DETECTORS} - {"lac_set_size"} <= found.keys()
    del found["bicr_blank"]  # a control has none itself
    figures = {name: fit.shuffled_auroc for name, fit in found.items()}
    assert all(len(fit.shuffled) >= FEW_SHUFFLES for fit in found.values())
    off = [name for name, own in figures.items() if not own.low <= 0.5 <= own.high]
    assert len(off) <= 1, off  # of 95 % intervals
    drawn = np.concatenate([fit.shuffled for fit in found.values()])
    assert abs(drawn.mean() - 0.5) < 0.02


def test_a_leak_shows_in_the_control():
    """A fit that has seen what it scores: shuffled labels are found too."""
    _, samples = noise()

    def leaking(fold, label):
        columns = np.tile(label[:, None] + np.arange(N)[:, None] % 7, (1, 5 * len(fold)))
        return held_out(fold, columns.astype(float))

    found = fitted_scores(samples, leaking, np.random.default_rng(0)).fit
    assert found.shuffled_auroc.low > 0.5
    assert found.p > 0.05  # and what was reached is no better than that


def test_what_is_there_is_not_in_its_control():
    rng, samples = noise()
    z = samples.label + 0.3 * rng.normal(size=N)

    def honest(fold, label):
        scores = np.empty(fold.shape)
        for split, train, test in parts(fold, label):
            scores[split, test] = z[test] * np.corrcoef(z[train], label[train])[0, 1]
        return scores

    found = fitted_scores(samples, honest, np.random.default_rng(0))
    assert auroc(samples.label, found.scores) > 0.95
    assert found.fit.p == 0.05 == 1 / (1 + len(found.fit.shuffled))
    assert found.fit.shuffled_auroc.low < 0.5 < found.fit.shuffled_auroc.high


def test_few_permutations_have_an_interval_and_no_p():
    spread = FitSpread(4, 0.01, 0.01, 0.01)
    few = spread.beside(0.9, np.array([0.4, 0.5, 0.6, 0.5]))
    assert few.p is None
    own = few.shuffled_auroc
    # mean ± t(0.975; 3) · s / 2
    half = 3.182446 * np.std([0.4, 0.5, 0.6, 0.5], ddof=1) / 2
    assert (own.value, own.low, own.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert spread.beside(0.9, np.full(19, 0.5)).p == 0.05
    assert FitSpread.from_json(few.to_json()) == few
    assert spread.shuffled_auroc.reason == "not fitted on shuffled labels"
    assert FitSpread.from_json({"repeats": 4, "stderr": 0.01}).shuffled == ()


def test_a_permutation_that_cannot_be_fitted_is_left_out():
    rng, samples = noise()
    calls = []

    def fit(label):
        calls.append(label)
        if len(calls) % 2:
            raise UndefinedMetricError("one class only in a training part")
        return label.astype(float)

    found = shuffled_aurocs(samples.label, samples.group, fit, rng, 6)
    assert found.tolist() == [1.0, 1.0, 1.0]
    assert len(calls) == 6
