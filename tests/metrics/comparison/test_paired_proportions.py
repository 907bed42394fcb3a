"""Score intervals by maximum likelihood, published examples, and what few answers may not prove."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, norm
from scipy.stats import t as student

from metrics.comparison.paired_proportions import (
    _Discordant,
    _score_interval,
    detectable_proportion_difference,
    paired_proportion_difference,
)


def outcomes(only_first, only_second, neither_or_both):
    """Two rows of answers with these counts."""
    first = [1] * only_first + [0] * only_second + [1] * neither_or_both
    second = [0] * only_first + [1] * only_second + [1] * neither_or_both
    return np.array(first), np.array(second)


def score_by_likelihood(b, c, n, delta):
    """Tango's statistic with the share of the discordant found by searching the likelihood."""

    def loss(q):
        cells = (b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta)
        return -sum(count * np.log(max(p, 1e-300)) for count, p in cells)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))


def effective(first, second, groups):
    """Effective size, by the formula of the docstring with loops."""
    r = first.astype(float) - second
    r -= r.mean()
    sums = [r[groups == g].sum() for g in np.unique(groups)]
    size = sum((groups == g).sum() ** 2 for g in np.unique(groups)) / r.size
    g = len(sums)
    inflated = g / (g - 1) * np.square(sums).sum() + size**2 / 4
    return r.size / max(1.0, inflated / (np.square(r).sum() + size / 4))


@pytest.mark.parametrize("counts", [(9, 3, 60), (1, 12, 30), (5, 0, 40)])
def test_the_interval_is_where_the_likelihoods_score_is_the_quantile(counts):
    first, second = outcomes(*counts)
    groups = np.arange(first.size)
    found = paired_proportion_difference(first, second, groups=groups)
    m = effective(first, second, groups)
    b, c = (k * m / first.size for k in counts[:2])
    quantile = student.ppf(0.975, first.size - 1)
    value = (counts[0] - counts[1]) / first.size
    for end, sign, bracket in ((found.estimate.low, 1, (-0.95, value)),
                               (found.estimate.high, -1, (value, 0.95))):  # fmt: skip
        expected = brentq(
            lambda d, sign=sign: score_by_likelihood(b, c, m, d) - sign * quantile, *bracket
        )
        assert end == pytest.approx(expected, abs=1e-5)
    assert found.estimate.value == pytest.approx(value)
    distance = abs(score_by_likelihood(b, c, m, np.copysign(0.01, value)))
    beyond = paired_proportion_difference(first, second, groups=groups, margin=0.01)
    assert beyond.p_value == pytest.approx(2 * student.sf(distance, first.size - 1), rel=1e-4)


def test_a_published_interval():
    """Fagerland, Lydersen and Laake (2014), Stat. Med. 33: 1 and 7 of 21; Tango −0.517, −0.026."""
    found = _score_interval(_Discordant(1, 7, 21, 20, -6 / 21), norm.ppf(0.975))
    assert found == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_without_a_margin_the_test_is_mcnemars():
    """The score at 0 is (b − c) / √(b + c), at the effective size."""
    first, second = outcomes(14, 5, 481)
    found = paired_proportion_difference(first, second, groups=range(500))
    scale = effective(first, second, np.arange(500)) / 500
    z = (14 - 5) / np.sqrt(14 + 5) * np.sqrt(scale)
    assert found.p_value == pytest.approx(2 * student.sf(z, 499))
    assert scale == pytest.approx(1, abs=0.05)


def test_answers_of_one_image_that_change_together_count_once():
    rng = np.random.default_rng(0)
    once = rng.random((2, 400)) < [[0.75], [0.7]]
    alone = paired_proportion_difference(*once, groups=range(400))
    copies = np.repeat(once, 5, axis=1)
    grouped = paired_proportion_difference(*copies, groups=np.repeat(np.arange(400), 5))
    assert grouped.estimate.stderr == pytest.approx(alone.estimate.stderr, rel=0.01)
    assert (grouped.estimate.low, grouped.estimate.high) == pytest.approx(
        (alone.estimate.low, alone.estimate.high), abs=1e-3
    )
    independent = paired_proportion_difference(*copies, groups=range(2000))
    assert independent.estimate.stderr < 0.5 * grouped.estimate.stderr


@pytest.mark.parametrize("size", [1, 4])
def test_where_nothing_varied_the_bound_is_the_rule_of_three_over_images(size):
    right = np.ones(60 * size)
    found = paired_proportion_difference(right, right, groups=np.repeat(np.arange(60), size))
    assert found.estimate.value == 0
    # with that share of changing images, none of 60 changes with 5 %
    assert binom.pmf(0, 60, found.estimate.high) == pytest.approx(0.05)
    assert found.estimate.low == -found.estimate.high
    assert found.p_value is None
    assert "rule of three" in found.estimate.note
    within = paired_proportion_difference(
        right, right, groups=np.repeat(np.arange(60), size), margin=0.02
    )
    assert within.p_value == 1


def test_four_right_answers_on_two_images_bound_next_to_nothing():
    found = paired_proportion_difference([1] * 4, [1] * 4, groups=[0, 0, 1, 1])
    assert found.estimate.high > 0.7


def test_one_image_that_holds_most_answers_is_about_one_sample():
    groups = np.append(np.zeros(900, int), np.arange(1, 101))
    right = np.ones(1000)
    assert paired_proportion_difference(right, right, groups=groups).estimate.high > 0.9


def test_every_image_lost_leaves_no_doubt():
    found = paired_proportion_difference(np.zeros(120), np.ones(120), groups=np.arange(120) // 4)
    assert found.estimate.value == -1
    assert found.estimate.low == -1
    assert -0.9 < found.estimate.high < -0.7
    assert found.estimate.stderr > 0.05
    assert found.p_value < 1e-4


def test_a_drop_of_exactly_the_margin_is_within_it():
    for n in (50, 100, 150, 700):
        first, second = outcomes(0, n // 50, n - n // 50)
        found = paired_proportion_difference(first, second, groups=np.arange(n) // 5, margin=0.02)
        assert (found.estimate.value, found.p_value) == (-0.02, 1.0)


def test_turned_round_everything_changes_its_sign():
    first, second = outcomes(11, 4, 85)
    groups = np.arange(100) // 2
    one = paired_proportion_difference(first, second, groups=groups, margin=0.02)
    two = paired_proportion_difference(second, first, groups=groups, margin=0.02)
    assert (two.estimate.low, two.estimate.high) == pytest.approx(
        (-one.estimate.high, -one.estimate.low)
    )
    assert one.p_value == pytest.approx(two.p_value)


def test_the_detectable_change_is_found_with_the_stated_power():
    """Independent answers: exact by simulation of the two kinds of discordant answers."""
    first, second = outcomes(30, 30, 1940)
    detectable = detectable_proportion_difference(
        first, second, groups=range(2000), margin=0.02, power=0.8
    )
    rng, churn, found = np.random.default_rng(0), 30 / 2000, 0
    for _ in range(200):
        cells = rng.multinomial(2000, [churn, churn + detectable, 1 - 2 * churn - detectable])
        one = outcomes(*cells)
        p = paired_proportion_difference(*one, groups=range(2000), margin=0.02).p_value
        found += p <= 0.05 and cells[1] > cells[0]
    assert binom.ppf(0.005, 200, 0.8) <= found <= binom.ppf(0.995, 200, 0.8)


def test_detectable_is_none_where_no_change_is_large_enough():
    right = np.ones(4)
    assert detectable_proportion_difference(right, right, groups=range(4), margin=0.9) is None
    assert detectable_proportion_difference(right, right, groups=[0] * 4) is None


def test_undefined_and_malformed():
    none = paired_proportion_difference([], [], groups=[])
    assert none.estimate.reason == "no samples"
    one = paired_proportion_difference([1, 0], [1, 1], groups=[0, 0])
    assert one.estimate.reason == "one group only: no interval"
    for call, message in (
        (lambda: paired_proportion_difference([0.5], [1], groups=[0]), "`first` must be 0 or 1"),
        (lambda: paired_proportion_difference([1, 0], [1], groups=[0, 1]), "`second` must be of"),
        (
            lambda: paired_proportion_difference([1], [1], groups=[0], margin=1.1),
            "`margin` must be",
        ),
        (lambda: paired_proportion_difference([1], [1], groups=[0], level=1), "`level` must be"),
        (
            lambda: detectable_proportion_difference([1], [1], groups=[0], power=0.01),
            "`power` must be",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
