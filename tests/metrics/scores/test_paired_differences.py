import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_rel

from metrics.core.clustered import auroc_influence, clustered_stderr
from metrics.scores.discrimination import auroc, within_kind_auroc
from metrics.scores.paired_differences import (
    paired_augrc_difference,
    paired_auroc_difference,
    paired_mean_difference,
)
from metrics.scores.selective import augrc

N = 60


def drawn(seed=0, n=N):
    """Labels, scores and kinds of two models on n / 2 images of two questions, and the images."""
    rng = np.random.default_rng(seed)
    labels = rng.random((2, n)) < [[0.6], [0.7]]
    scores = np.round(1 / (1 + np.exp(rng.normal(size=(2, n)) - labels)), 1)
    return labels, scores, rng.integers(0, 3, n), np.repeat(np.arange(n // 2), 2)


def by_numerical_derivative(weighted, groups):
    """Standard error by tilting the weight of each image: brute force."""
    images, step = np.unique(groups), 1e-5
    sums = []
    for image in images:
        up, down = (1 + sign * step * (groups == image) for sign in (1, -1))
        sums.append((weighted(up) - weighted(down)) / (2 * step))
    return np.sqrt(images.size / (images.size - 1) * np.square(sums).sum())


def weighted_pairs(y, s, w, kinds):
    """AUROC over pairs within kinds, each pair counted by the product of its weights."""
    won = (s[:, None] > s[None, :]) + 0.5 * (s[:, None] == s[None, :])
    pairs = np.outer(w * y, w * ~y) * (kinds[:, None] == kinds[None, :])
    return (pairs * won).sum() / pairs.sum()


def weighted_augrc(y, s, w):
    a = weighted_pairs(y, s, w, np.zeros(y.size))
    accuracy = (w * y).sum() / w.sum()
    return (1 - a) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2


def check(found, value, stderr, degrees):
    half = student.ppf(0.975, degrees) * stderr
    assert found.estimate.value == pytest.approx(value)
    assert found.estimate.stderr == pytest.approx(stderr, rel=1e-6)
    assert [found.estimate.low, found.estimate.high] == pytest.approx([value - half, value + half])
    assert found.p_value == pytest.approx(2 * student.sf(abs(value) / stderr, degrees))
    assert found.degrees == degrees


def test_aurocs_by_brute_force():
    labels, scores, kinds, groups = drawn()
    for strata, statistic in (
        (None, auroc),
        (kinds, lambda y, s: within_kind_auroc(y, s, kinds)),
    ):
        where = np.zeros(N) if strata is None else kinds
        found = paired_auroc_difference(
            *zip(labels, scores, strict=True), groups=groups, kinds=strata
        )

        def difference(w, where=where):
            one, two = (weighted_pairs(y, s, w, where) for y, s in zip(labels, scores, strict=True))
            return one - two

        values = [statistic(y, s) for y, s in zip(labels, scores, strict=True)]
        check(found, values[0] - values[1], by_numerical_derivative(difference, groups), 29)


def test_augrcs_by_brute_force():
    labels, scores, _, groups = drawn()
    found = paired_augrc_difference(*zip(labels, scores, strict=True), groups=groups)

    def difference(w):
        one, two = (weighted_augrc(y, s, w) for y, s in zip(labels, scores, strict=True))
        return one - two

    values = [augrc(y, s) for y, s in zip(labels, scores, strict=True)]
    check(found, values[0] - values[1], by_numerical_derivative(difference, groups), 29)


def test_means_are_the_paired_t_test_over_images():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.3, size=40), rng.normal(size=40)
    found = paired_mean_difference(first, second, groups=range(40))
    expected = ttest_rel(first, second)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(
        expected.confidence_interval()
    )
    by_image = (first - second).reshape(20, 2).mean(axis=1)
    grouped = paired_mean_difference(first, second, groups=np.repeat(np.arange(20), 2))
    assert grouped.p_value == pytest.approx(ttest_1samp(by_image, 0).pvalue)


def test_only_images_that_are_compared_count():
    """A kind with right answers only has no pair: its images carry nothing, nor do they count."""
    labels, scores, _, groups = drawn()
    kinds = np.zeros(N)
    alone = paired_auroc_difference(
        *zip(labels, scores, strict=True), groups=groups, kinds=kinds.tolist()
    )
    more = [
        (np.append(y, np.ones(20)), np.append(s, np.linspace(0, 1, 20)))
        for y, s in zip(labels, scores, strict=True)
    ]
    beside = paired_auroc_difference(
        *more, groups=np.append(groups, np.arange(100, 120)), kinds=np.append(kinds, np.ones(20))
    )
    assert beside == alone


def test_the_variance_of_fitting_is_added():
    labels, scores, _, groups = drawn()
    pairs = list(zip(labels, scores, strict=True))
    plain = paired_auroc_difference(*pairs, groups=groups)
    fitted = paired_auroc_difference(*pairs, groups=groups, fit_variance=0.03**2)
    assert fitted.estimate.stderr == pytest.approx(np.hypot(plain.estimate.stderr, 0.03))
    assert fitted.p_value > plain.p_value
    same = paired_auroc_difference(pairs[0], pairs[0], groups=groups, fit_variance=0.03**2)
    assert (same.estimate.stderr, same.p_value) == (pytest.approx(0.03), 1.0)
    with pytest.raises(ValueError, match="`fit_variance` must be >= 0, got nan"):
        paired_auroc_difference(*pairs, groups=groups, fit_variance=float("nan"))


@pytest.mark.parametrize("shift", [0.0, 1.0, 0.1])
def test_a_difference_without_spread_has_no_test(shift):
    values = np.random.default_rng(0).normal(size=20)
    found = paired_mean_difference(values + shift, values, groups=np.repeat(np.arange(10), 2))
    assert found.estimate.value == pytest.approx(shift)
    assert found.estimate.low == found.estimate.high == found.estimate.value
    assert (found.estimate.stderr, found.p_value, found.smallest_detectable) == (0, None, None)
    assert found.estimate.note == "no image differs from another in it: no interval, no test"


def _two_signals(seed, shift, n=600):
    rng = np.random.default_rng(seed)
    y, shared = rng.random(n) < 0.6, rng.normal(size=n)
    one = y + shared + 0.3 * rng.normal(size=n) + shift * y
    two = y + shared + 0.3 * rng.normal(size=n)
    return y, one, two


def test_pairing_sees_what_separate_intervals_hide():
    y, one, two = _two_signals(0, 0.25)
    found = paired_auroc_difference((y, one), (y, two), groups=range(600))
    assert found.estimate.value == pytest.approx(auroc(y, one) - auroc(y, two))
    whole = np.zeros(600, int)
    alone = [clustered_stderr(auroc_influence(y, v, whole)[1], np.arange(600)) for v in (one, two)]
    assert found.estimate.stderr < 0.6 * np.hypot(*alone)
    assert found.p_value < 0.01
    turned = paired_auroc_difference((y, two), (y, one), groups=range(600))
    assert turned.estimate.value == pytest.approx(-found.estimate.value)
    assert turned.p_value == pytest.approx(found.p_value)


def test_no_difference_is_called_at_its_level():
    called = 0
    for seed in range(200):
        y, one, two = _two_signals(seed, 0.0, n=200)
        found = paired_auroc_difference((y, one), (y, two), groups=np.repeat(np.arange(50), 4))
        called += found.p_value < 0.05
    assert 2 <= called <= 20  # 99.5 % of 200 at 5 %


def test_two_models_bring_their_own_labels():
    rng = np.random.default_rng(2)
    y1, y2 = rng.random(300) < 0.5, rng.random(300) < 0.8
    found = paired_auroc_difference(
        (y1, y1 + rng.normal(size=300)), (y2, rng.normal(size=300)), groups=range(300)
    )
    assert found.estimate.value > 0
    law = student(299)
    assert found.smallest_detectable == pytest.approx(
        (law.ppf(0.975) + law.ppf(0.8)) * found.estimate.stderr
    )


def test_the_same_signal_has_no_test():
    y, one, _ = _two_signals(0, 0.25)
    for found in (
        paired_auroc_difference((y, one), (y, np.exp(one)), groups=range(600)),
        paired_augrc_difference((y, one), (y, np.exp(one)), groups=range(600)),
    ):
        assert (found.estimate.value, found.estimate.stderr) == (0, 0)
        assert (found.p_value, found.smallest_detectable) == (None, None)
        assert found.estimate.note is not None


def test_undefined_has_a_reason():
    found = paired_auroc_difference(
        ([1, 0, 1], [1, 2, 3]), ([1, 1, 1], [1, 2, 3]), groups=list("abc")
    )
    assert found.estimate.reason == "one class only: all 3 answers are correct"
    assert found.p_value is None
    one_image = paired_mean_difference([1, 0, 1], [1, 1, 1], groups=list("aaa"))
    assert one_image.estimate.reason == "one group only: no interval"
    assert paired_mean_difference([], [], groups=[]).estimate.reason == "no samples"


def test_what_is_malformed_is_named():
    labels, scores, _, groups = drawn()
    pair = (labels[0], scores[0])
    with pytest.raises(ValueError, match="`groups` must be of length 60"):
        paired_augrc_difference(pair, pair, groups=groups[1:])
    with pytest.raises(ValueError, match="`second` must be of length 60"):
        paired_mean_difference(labels[0], labels[1][1:], groups=groups)
    with pytest.raises(ValueError, match="`second` must be of length 60"):
        paired_auroc_difference(pair, (labels[0][1:], scores[0][1:]), groups=groups)
    with pytest.raises(ValueError, match="`first` must be finite, got 1 non-finite of 2"):
        paired_mean_difference([np.nan, 1], [1, 1], groups=range(2))
