import numpy as np
import pytest
from scipy.stats import t as student
from statsmodels.stats.meta_analysis import combine_effects

from metrics.comparison.random_effects import random_effects_mean

# Trials of the BCG vaccine (Colditz et al. 1994): ill and well, vaccinated and not
BCG = np.array(
    [
        [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619],
        [33, 5036, 47, 5761], [180, 1361, 372, 1079], [8, 2537, 10, 619],
        [505, 87886, 499, 87892], [29, 7470, 45, 7232], [17, 1699, 65, 1600],
        [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
    ],
    dtype=float,
)  # fmt: skip


def bcg():
    a, b, c, d = BCG.T
    ratio = np.log(a / (a + b)) - np.log(c / (c + d))
    return ratio, np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def test_the_published_worked_example():
    """Veroniki et al. and the manual of metafor: tau² = 0.318 by Paule and Mandel, mean −0.715."""
    found = random_effects_mean(*bcg())
    assert found.spread**2 == pytest.approx(0.318, abs=0.001)
    assert found.mean.value == pytest.approx(-0.715, abs=0.001)
    assert found.n == 13


@pytest.mark.parametrize("seed", range(4))
def test_another_implementation(seed):
    rng = np.random.default_rng(seed)
    stderr = rng.uniform(0.01, 0.05, 7)
    values = 0.1 + 0.06 * rng.normal(size=7) + stderr * rng.normal(size=7)
    found = random_effects_mean(values, stderr)
    other = combine_effects(values, stderr**2, method_re="iterated", use_t=True)
    assert found.spread**2 == pytest.approx(other.tau2, rel=1e-4)
    assert found.mean.value == pytest.approx(other.mean_effect_re, rel=1e-6)
    assert found.mean.stderr == pytest.approx(other.sd_eff_w_re_hksj, rel=1e-4)
    half = student.ppf(0.975, 6) * found.mean.stderr
    assert found.mean.high - found.mean.value == pytest.approx(half)


def test_values_that_differ_by_their_noise_have_no_spread():
    values, stderr = [0.10, 0.11, 0.09], [0.05, 0.05, 0.1]
    found = random_effects_mean(values, stderr)
    weight = 1 / np.square(stderr)
    assert found.spread == 0.0
    assert found.mean.value == pytest.approx(np.average(values, weights=weight))
    assert found.mean.stderr == pytest.approx(1 / np.sqrt(weight.sum()))  # never narrower


def test_huge_differences_and_tiny_noise():
    found = random_effects_mean([-1.0, 1.0], [1e-9, 1e-9])
    assert found.spread == pytest.approx(np.sqrt(2))
    assert found.mean.value == pytest.approx(0.0, abs=1e-9)
    assert random_effects_mean([1e-12, -1e-12], [1e-15, 1e-15]).spread > 0


def test_the_interval_holds_the_mean_of_all_settings():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        stderr = rng.uniform(0.01, 0.05, 5)
        values = 0.02 + 0.04 * rng.normal(size=5) + stderr * rng.normal(size=5)
        mean = random_effects_mean(values, stderr).mean
        covered.append(mean.low <= 0.02 <= mean.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_one_setting_proves_little():
    for values in ([], [0.1]):
        found = random_effects_mean(values, [0.1] * len(values))
        assert found.mean.value is None
        assert "nothing to pool" in found.mean.reason


def test_malformed_arguments_are_refused():
    with pytest.raises(ValueError, match="`stderrs` must be > 0 everywhere, got 0"):
        random_effects_mean([1, 2], [0, 1])
    with pytest.raises(ValueError, match="`values` must be finite"):
        random_effects_mean([np.nan, 2], [1, 1])
    with pytest.raises(ValueError, match="of length 2"):
        random_effects_mean([1, 2], [1])
