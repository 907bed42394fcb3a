import numpy as np
import pytest
from scipy.stats import norm

from metrics.calibration import brier_loss, expected_calibration_error
from metrics.cross_fitting import calibrated_probabilities, fused_scores
from metrics.discrimination import auroc
from metrics.errors import UndefinedMetricError


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_calibration_recovers_the_true_probability(method):
    # s ~ N(y, 1), P(y) = 0.7: the true log-odds are s - 1/2 + ln(0.7 / 0.3)
    rng = np.random.default_rng(0)
    y = rng.random(3000) < 0.7
    s = rng.normal(size=3000) + y
    truth = 1 / (1 + np.exp(-(s - 0.5 + np.log(0.7 / 0.3))))
    p = calibrated_probabilities(10 * s + 3, y, range(3000), rng=rng, method=method)
    assert np.abs(p - truth).mean() < (0.02 if method == "platt" else 0.05)
    assert expected_calibration_error(y, p) < 0.05
    assert brier_loss(y, p) == pytest.approx(brier_loss(y, truth), abs=0.01)


def test_calibration_of_noise_states_the_base_rate():
    rng = np.random.default_rng(1)
    y = rng.random(1000) < 0.7
    p = calibrated_probabilities(rng.normal(size=1000), y, range(1000), rng=rng)
    assert p == pytest.approx(0.7, abs=0.1)


def test_fusion_reaches_the_sum_of_two_independent_signals():
    # shifts 1 and 1 with unit noise: the best sum has shift sqrt 2, so AUROC is Phi(1)
    rng = np.random.default_rng(2)
    y = rng.random(3000) < 0.6
    one, two = (rng.normal(size=3000) + y for _ in range(2))
    found = fused_scores({"one": one, "two": 50 * two, "noise": rng.normal(size=3000)}, y,
                         range(3000), rng=rng)  # fmt: skip
    assert auroc(y, found.scores) == pytest.approx(norm.cdf(1), abs=0.02)
    assert found.names == ("one", "two", "noise")
    assert found.weights.shape == (5, 3)
    # the log-odds grow by 1 per unit of either signal, so by its spread per unit of its z-score
    spread = [one.std(), two.std(), 0]
    assert found.weights.mean(axis=0) == pytest.approx(spread, abs=0.15)


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match='must be "platt" or "isotonic", got \'beta\''):
        calibrated_probabilities([1, 2], [0, 1], "ab", rng=rng, method="beta")
    with pytest.raises(ValueError, match="at least one signal, got none"):
        fused_scores({}, [0, 1], "ab", rng=rng)
    with pytest.raises(ValueError, match=r"`signals\[x\]` must be finite, got 1 non-finite of 2"):
        fused_scores({"x": [1, np.nan]}, [0, 1], "ab", rng=rng)
    with pytest.raises(UndefinedMetricError, match="correct answers in 1 groups only, 5 folds"):
        fused_scores({"x": [1, 2]}, [0, 1], "ab", rng=rng)
    with pytest.raises(UndefinedMetricError, match="0 wrong answers of 9"):
        calibrated_probabilities(range(9), np.ones(9), range(9), rng=rng)
