import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from metrics.abstention.selective_risk import selective_risk_bounds, selective_risk_p_values


def plain_p_values(y_true, shown, groups, risk):
    """The same bets one after another, with lists and loops."""
    images = {}
    for right, kept, group in zip(y_true, shown, groups, strict=True):
        images.setdefault(group, []).append((right, kept))
    largest = max(len(answers) for answers in images.values())
    bets = [1.0] + [(1 + math.cos((2 * j - 1) * math.pi / 128)) / 2 for j in range(1, 65)]
    stakes = [0.5] + [0.5 / 64] * 64
    wealth = [0.0, 0.0]
    for bet, stake in zip(bets, stakes, strict=True):
        products = [stake, stake]
        for answers in images.values():
            loss = sum(kept * ((not right) - risk) for right, kept in answers) / largest
            products[0] *= 1 - bet / (1 - risk) * loss
            products[1] *= 1 + bet / risk * loss
        wealth = [w + product for w, product in zip(wealth, products, strict=True)]
    return [min(1.0, 1 / w) for w in wealth]


def test_bets_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    for risk in (0.03, 0.3):
        correct, shown = rng.random(200) < 0.9, rng.random(200) < 0.6
        groups = rng.integers(40, size=200)
        found = selective_risk_p_values(correct, shown, groups, risk=risk)
        assert found == pytest.approx(plain_p_values(correct, shown, groups, risk), rel=1e-9)


def test_one_question_an_image_is_a_binomial_test():
    correct, shown = [1] * 60 + [0] * 3 + [0] * 9, [1] * 63 + [0] * 9
    found = selective_risk_p_values(correct, shown, range(72), risk=0.1)
    for p, alternative in zip(found, ("less", "greater"), strict=True):
        assert p == pytest.approx(binomtest(3, 63, 0.1, alternative=alternative).pvalue)
    interval = binomtest(3, 63).proportion_ci(0.9)
    assert selective_risk_bounds(correct, shown, range(72)) == pytest.approx(tuple(interval))


@pytest.mark.parametrize("risk", [0.05, 0.4])
@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 2, 3)])
def test_no_p_value_is_too_small_in_any_world_of_images_without_a_promise(sizes, risk):
    """Every outcome of three images whose answers are all right or all wrong, exactly."""
    groups = np.repeat(np.arange(3), sizes)
    shown = np.ones(groups.size)
    found = []
    for wrong in itertools.product((0, 1), repeat=3):
        chance = np.prod([risk if w else 1 - risk for w in wrong])
        p = selective_risk_p_values(1 - np.array(wrong)[groups], shown, groups, risk=risk)
        found.append((p, chance))
    for side in (0, 1):
        for level in np.linspace(0.001, 1, 60):
            assert sum(c for p, c in found if p[side] <= level) <= level + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=1))
def test_bounds_hold_the_observed_risk_and_shrink_with_the_confidence(rows):
    correct, shown, groups = map(np.array, zip(*rows, strict=True))
    wide = selective_risk_bounds(correct, shown, groups, confidence=0.99)
    close = selective_risk_bounds(correct, shown, groups, confidence=0.6)
    assert 0 <= wide[0] <= close[0] + 1e-9 <= close[1] + 2e-9 <= wide[1] + 3e-9 <= 1 + 3e-9
    if shown.any():
        assert close[0] - 1e-9 <= (~correct)[shown].mean() <= close[1] + 1e-9
    else:
        assert wide == (0.0, 1.0)


def test_rows_may_come_in_any_order():
    rng = np.random.default_rng(1)
    correct, shown = rng.random(90) < 0.8, rng.random(90) < 0.7
    groups, order = np.arange(90) // 6, rng.permutation(90)
    once = selective_risk_p_values(correct, shown, groups, risk=0.4)
    again = selective_risk_p_values(correct[order], shown[order], groups[order], risk=0.4)
    assert once == pytest.approx(again)


def test_answers_of_one_image_prove_less_than_as_many_images():
    right = np.ones(120)
    alone = selective_risk_p_values(right, right, range(120), risk=0.05)[0]
    together = selective_risk_p_values(right, right, np.arange(120) // 6, risk=0.05)[0]
    assert alone < 0.01 < 0.3 < together


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1, math.nan])
def test_a_risk_is_a_share(risk):
    with pytest.raises(ValueError, match="`risk` must be in"):
        selective_risk_p_values([1], [1], [0], risk=risk)


def test_malformed_arguments_are_refused():
    with pytest.raises(ValueError, match="`shown` must be of length 2"):
        selective_risk_p_values([1, 0], [1], [0, 1], risk=0.1)
    with pytest.raises(ValueError, match="`y_true` must be 0 or 1"):
        selective_risk_bounds([0.5], [1], [0])
    with pytest.raises(ValueError, match="`confidence` must be in"):
        selective_risk_bounds([1], [1], [0], confidence=1.0)
