"""Standard errors over images: against resampling, brute force and closed forms."""

import numpy as np
import pytest

from metrics.core.clustered import auroc_influence, clustered_stderr, t_interval, t_p_value
from metrics.scores.discrimination import auroc, within_kind_auroc


def drawn(seed, n=200, images=50):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.7
    score = np.round(correct + rng.normal(size=n), 1)
    return correct, score, rng.integers(0, images, n), rng.integers(0, 4, n)


def test_a_mean_of_independent_samples_has_the_textbook_standard_error():
    y = np.random.default_rng(0).normal(size=40)
    found = clustered_stderr((y - y.mean()) / 40, np.arange(40))
    assert found == pytest.approx(y.std(ddof=1) / np.sqrt(40), rel=1e-12)


def test_copies_of_an_image_carry_no_information():
    y = np.random.default_rng(1).normal(size=30)
    once = clustered_stderr((y - y.mean()) / 30, np.arange(30))
    thrice = np.repeat(y, 3)
    again = clustered_stderr((thrice - thrice.mean()) / 90, np.repeat(np.arange(30), 3))
    assert again == pytest.approx(once, rel=1e-12)


def test_one_image_has_no_standard_error():
    assert np.isnan(clustered_stderr(np.array([0.1, -0.1]), np.zeros(2, int)))


@pytest.mark.parametrize("seed", range(3))
def test_the_value_is_auroc_and_within_kind_auroc(seed):
    correct, score, _, kind = drawn(seed)
    assert auroc_influence(correct, score, kind * 0)[0] == pytest.approx(auroc(correct, score))
    expected = within_kind_auroc(correct, score, kind)
    assert auroc_influence(correct, score, kind)[0] == pytest.approx(expected)


def test_the_influence_is_the_derivative_with_respect_to_a_samples_weight():
    correct, score, _, kind = drawn(3, n=40)

    def weighted(weight):
        concordant = pairs = 0.0
        for i in np.flatnonzero(correct):
            for j in np.flatnonzero(~correct & (kind == kind[i])):
                won = (score[i] > score[j]) + 0.5 * (score[i] == score[j])
                concordant += weight[i] * weight[j] * won
                pairs += weight[i] * weight[j]
        return concordant / pairs

    _, influence = auroc_influence(correct, score, kind)
    for i in range(40):
        up, down = np.ones(40), np.ones(40)
        up[i] += 1e-5
        down[i] -= 1e-5
        slope = (weighted(up) - weighted(down)) / 2e-5
        assert influence[i] == pytest.approx(slope, abs=1e-8)


def test_the_standard_error_is_that_of_resampled_images():
    correct, score, group, _ = drawn(4, n=600, images=120)
    _, influence = auroc_influence(correct, score, np.zeros(600, int))
    rng, of_image = np.random.default_rng(0), [np.flatnonzero(group == g) for g in range(120)]
    resampled = []
    for _ in range(400):
        rows = np.concatenate([of_image[g] for g in rng.integers(0, 120, 120)])
        resampled.append(auroc(correct[rows], score[rows]))
    assert clustered_stderr(influence, group) == pytest.approx(np.std(resampled), rel=0.12)


def test_the_interval_on_the_logit_scale_stays_inside_and_mirrors():
    low, high = t_interval(0.99, 0.02, 12, level=0.95, scale="logit")
    assert 0 < low < 0.99 < high < 1
    mirrored = t_interval(0.01, 0.02, 12, level=0.95, scale="logit")
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_the_p_value_and_the_interval_agree():
    _, high = t_interval(-0.1, 0.05, 9, level=0.95)
    p = t_p_value(-0.1, 0.05, 9)
    edge = t_interval(-0.1, 0.05, 9, level=1 - p)[1]
    assert (high < 0) == (p < 0.05)
    assert edge == pytest.approx(0, abs=1e-9)


def test_no_pair_is_not_a_number():
    value, influence = auroc_influence(np.ones(3, bool), np.arange(3.0), np.zeros(3, int))
    assert np.isnan(value)
    assert np.isnan(influence).all()
