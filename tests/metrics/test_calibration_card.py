import itertools

import numpy as np
import pytest

from metrics.bootstrap import cluster_weights
from metrics.calibration import brier_loss, brier_skill_score, expected_calibration_error
from metrics.calibration_card import ECE_NOTE, calibration_estimates
from metrics.errors import UndefinedMetricError


def _naive_ece(y, p, edges):
    """Mean gap over the samples, bin by bin, in plain Python."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = [i for i in range(len(y)) if low < p[i] <= high or (low == 0 and p[i] == 0)]
        total += abs(sum(y[i] - p[i] for i in inside))
    return total / len(y)


def _run(n=300, seed=0, n_resamples=60):
    rng = np.random.default_rng(seed)
    p = rng.random(n).round(3)
    groups = np.repeat(np.arange(n // 3), 3)
    weights = cluster_weights(groups, n_resamples=n_resamples, rng=rng)
    return (rng.random(n) < p**1.5).astype(int), p, weights


def test_each_resample_is_a_naive_loop():
    y, p, weights = _run()
    found = calibration_estimates(y, p, weights=weights)
    repeated = [[np.repeat(v, w.astype(int)) for v in (y, p)] for w in weights]
    for name, function in (("brier", brier_loss), ("brier_skill", brier_skill_score)):
        values = [function(*pair) for pair in repeated]
        estimate = getattr(found, name)
        assert estimate.value == function(y, p)
        assert (estimate.low, estimate.high) == pytest.approx(
            tuple(np.quantile(values, [0.025, 0.975]))
        )
    edges = np.linspace(0, 1, 16)
    value = _naive_ece(y, p, edges)
    q_low, q_high = np.quantile([_naive_ece(*pair, edges) for pair in repeated], [0.025, 0.975])
    assert found.ece.value == pytest.approx(value)
    assert found.ece.low == pytest.approx(max(0, 2 * value**2 - q_high**2) ** 0.5)
    assert found.ece.high == pytest.approx(max(value, (2 * value**2 - q_low**2) ** 0.5))
    assert found.ece.note == ECE_NOTE


def test_equal_mass_bins_are_those_of_the_whole_sample():
    y, p, weights = _run()
    found = calibration_estimates(y, p, weights=weights).ece_equal_mass
    assert found.value == expected_calibration_error(y, p, equal_mass=True)
    edges = np.r_[0, np.sort(p)[np.arange(20, 300, 20) - 1], 1]
    values = [
        _naive_ece(np.repeat(y, w.astype(int)), np.repeat(p, w.astype(int)), edges) for w in weights
    ]
    q_high = np.quantile(values, 0.975)
    assert found.low == pytest.approx(max(0, 2 * found.value**2 - q_high**2) ** 0.5)


@pytest.mark.parametrize(("shift", "truth"), [(0.0, 0.0), (0.2, 0.2)])
def test_the_interval_of_ece_covers_the_truth(shift, truth):
    # probabilities stated too high by exactly `shift`: the true ECE is that, in any bins
    inside, above_zero = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real = rng.uniform(0.1, 0.7, 400)
        weights = cluster_weights(range(400), n_resamples=100, rng=rng)
        found = calibration_estimates(rng.random(400) < real, real + shift, weights=weights).ece
        assert found.low <= found.value <= found.high
        inside += found.low <= truth <= found.high
        above_zero += found.value > truth
    assert inside >= 52  # P(fewer) < 0.01 at 95 %
    if truth == 0:
        assert above_zero == 60  # the bias that the interval takes off


def test_one_class_has_a_loss_but_no_skill():
    weights = cluster_weights(range(9), n_resamples=50, rng=np.random.default_rng(0))
    found = calibration_estimates([1] * 9, np.arange(9) / 10, weights=weights)
    assert found.brier.value == pytest.approx(np.mean((1 - np.arange(9) / 10) ** 2))
    assert "one class only" in found.brier_skill.reason


def test_refusals():
    y, p, weights = _run()
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got"):
        calibration_estimates(y, p * 2, weights=weights)
    with pytest.raises(ValueError, match=r"`weights` must be \(n_resamples, 300\), got shape"):
        calibration_estimates(y, p, weights=weights[:, 1:])
    with pytest.raises(UndefinedMetricError, match="no samples"):
        calibration_estimates([], [], weights=weights[:, :0])
