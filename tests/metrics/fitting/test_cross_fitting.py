import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from metrics.calibration.reliability import brier_loss, expected_calibration_error
from metrics.errors import UndefinedMetricError
from metrics.fitting.cross_fitting import (
    calibrated_probabilities,
    fused_scores,
    transferred_probabilities,
)
from metrics.scores.discrimination import auroc


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


def test_each_probability_is_a_mean_of_fits_without_its_image():
    """Two images per fold: every fit that can apply to a sample, by scikit-learn, bounds it."""
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(10), 12)
    y = rng.random(120) < 0.6
    s = rng.normal(size=120) + y
    p = calibrated_probabilities(s, y, image, rng=rng, n_repeats=40)
    for i in (0, 30, 119):
        fits = []
        for other in range(10):
            train = (image != image[i]) & (image != other)
            if other != image[i]:
                model = LogisticRegression(C=1e6).fit(s[train, None], y[train])
                fits.append(model.predict_proba([[s[i]]])[0, 1])
        assert min(fits) < p[i] < max(fits)
        assert p[i] == pytest.approx(np.mean(fits), abs=0.01)


def test_an_answer_has_no_part_in_its_own_probability():
    rng = np.random.default_rng(4)
    image = np.repeat(np.arange(30), 4)
    y = rng.random(120) < 0.6
    s = rng.normal(size=120) + y
    flipped = y ^ (image == 7)
    mine = image == 7
    # images of one kind only: the splits do not depend on the labels
    before, after = (
        calibrated_probabilities(s, labels, image, rng=np.random.default_rng(0), n_repeats=300)
        for labels in (y, flipped)
    )
    assert np.abs(before - after)[mine].max() < 0.02  # other splits, at most
    assert np.abs(before - after)[~mine].mean() > np.abs(before - after)[mine].mean()


def test_one_split_is_a_draw_and_twenty_are_hardly():
    rng = np.random.default_rng(5)
    image = np.repeat(np.arange(60), 5)
    y = rng.random(300) < 0.7
    s = rng.normal(size=300) + y

    def spread(n_repeats):
        drawn = [
            calibrated_probabilities(
                s, y, image, rng=np.random.default_rng(seed), n_repeats=n_repeats
            )
            for seed in range(12)
        ]
        return np.std(drawn, axis=0).mean()

    assert spread(20) < 0.35 * spread(1)


@pytest.mark.parametrize("factor", [1e-310, 1e-150, 1e150, 1e300])
def test_the_scale_of_a_score_does_not_matter(factor):
    rng = np.random.default_rng(6)
    y = rng.random(200) < 0.7
    s = rng.normal(size=200) + y
    plain, scaled = (
        calibrated_probabilities(x, y, range(200), rng=np.random.default_rng(0), n_repeats=2)
        for x in (s, s * factor)
    )
    assert scaled == pytest.approx(plain, abs=1e-9)


def test_separable_and_constant_scores_have_a_probability():
    y = np.arange(100) % 2
    p = calibrated_probabilities(2.0 * y, y, range(100), rng=np.random.default_rng(0))
    assert np.abs(p - y).max() < 1e-3
    flat = calibrated_probabilities(np.ones(100), y, range(100), rng=np.random.default_rng(0))
    assert flat == pytest.approx(0.5, abs=0.05)


def test_a_transfer_uses_no_label_of_the_new_run_and_the_old_fit():
    rng = np.random.default_rng(7)
    y = rng.random(400) < 0.7
    s = rng.normal(size=400) + y
    old, new = transferred_probabilities(s, y, s, range(400), rng=np.random.default_rng(0))
    assert np.array_equal(old, new)
    assert np.array_equal(
        old, calibrated_probabilities(s, y, range(400), rng=np.random.default_rng(0))
    )
    _, moved = transferred_probabilities(s, y, s + 1, range(400), rng=np.random.default_rng(0))
    model = LogisticRegression(C=1e6).fit(s[:, None], y)
    assert moved == pytest.approx(model.predict_proba(s[:, None] + 1)[:, 1], abs=0.03)
    _, far = transferred_probabilities(
        s, y, np.where(s > 0, 1e300, -1e300), range(400), rng=np.random.default_rng(0)
    )
    assert far == pytest.approx((s > 0).astype(float))
    assert far.max() == 1  # not a rounding above it


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
    with pytest.raises(ValueError, match="`n_repeats` must be >= 1, got 0"):
        calibrated_probabilities([1, 2], [0, 1], "ab", rng=rng, n_repeats=0)
    with pytest.raises(ValueError, match="`new_score` must be finite"):
        transferred_probabilities(range(20), np.arange(20) % 2, [np.nan] * 20, range(20), rng=rng)
    with pytest.raises(ValueError, match="at least one signal, got none"):
        fused_scores({}, [0, 1], "ab", rng=rng)
    with pytest.raises(ValueError, match=r"`signals\[x\]` must be finite, got 1 non-finite of 2"):
        fused_scores({"x": [1, np.nan]}, [0, 1], "ab", rng=rng)
    with pytest.raises(UndefinedMetricError, match="correct answers in 1 groups only, 5 folds"):
        fused_scores({"x": [1, 2]}, [0, 1], "ab", rng=rng)
    with pytest.raises(UndefinedMetricError, match="0 wrong answers of 9"):
        calibrated_probabilities(range(9), np.ones(9), range(9), rng=rng)
