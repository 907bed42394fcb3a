"""Copies, the test against chance, and what each signal has to beat."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from metrics.card.card import evaluate_card
from metrics.card.contrasts import contrasts_of
from metrics.card.copies import has_same_order
from metrics.card.samples import Samples
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.paired_differences import paired_auroc_difference


def _run(n=300, seed=0, kinds=("a", "b"), **changes):
    """Signals of one card, and the card; three questions per image."""
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.6
    confidence = -np.exp(rng.normal(size=n) - correct)
    arguments = {
        "correct": correct,
        "groups": [str(i // 3) for i in range(n)],
        "kinds": [kinds[i % len(kinds)] for i in range(n)],
        "signals": {
            "token_confidence": confidence,
            "min_token_confidence": confidence.copy(),
            "first_token_probability": np.exp(confidence),
            "spatial_entropy": -2 - rng.random(n),
            "truth_margin": correct + rng.normal(size=n),
        },
        "answers": [("yes", "no")[v] for v in rng.integers(0, 2, n)],
        "prompts": [f"Is there a {('dog', 'cat')[v]}?" for v in rng.integers(0, 2, n)],
        "rng": np.random.default_rng(1),
    } | changes
    card = evaluate_card(**arguments)
    return {signal.name: signal for signal in card.signals}, card, arguments


def test_copies_name_the_signal_that_is_declared_first():
    found, _, _ = _run()
    assert {name: s.copy_of for name, s in found.items() if s.copy_of} == {
        "min_token_confidence": "token_confidence",
        "first_token_probability": "token_confidence",
    }


def test_the_order_of_the_columns_does_not_matter():
    _, _, arguments = _run()
    turned = dict(reversed(arguments["signals"].items()))
    found, _, _ = _run(signals=turned)
    assert found["token_confidence"].copy_of is None
    assert found["first_token_probability"].copy_of == "token_confidence"


def test_orders_are_compared_up_to_rounding_ties_included():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 40, 500) / 7
    assert has_same_order(x, -np.exp(-x))
    assert has_same_order(x, x / np.log(576) * (1 + 1e-13 * rng.normal(size=500)))
    assert not has_same_order(x, -x)
    assert not has_same_order(x, np.floor(x))  # ties that the other does not have
    assert not has_same_order(np.floor(x), x)
    swapped = x + rng.normal(size=500) * 1e-4
    assert not has_same_order(x, swapped)


def test_signals_on_different_samples_are_no_copies():
    x = np.arange(10.0)
    fewer = x.copy()
    fewer[3] = np.nan
    assert not has_same_order(x, fewer)
    assert has_same_order(fewer, 2 * fewer)
    assert not has_same_order(np.full(3, np.nan), np.full(3, np.nan))


def test_oracles_are_no_copies():
    _, _, arguments = _run()
    signals = arguments["signals"] | {"truth_margin": arguments["signals"]["token_confidence"]}
    found, _, _ = _run(signals=signals)
    assert found["truth_margin"].copy_of is None


@pytest.mark.parametrize("kinds", [("a",), ("a", "b")])
def test_the_p_value_is_the_level_at_which_the_interval_meets_one_half(kinds):
    found, _, arguments = _run(kinds=kinds, n=240, seed=3)
    score = arguments["signals"]["spatial_entropy"]
    by_kind = arguments["kinds"] if len(kinds) > 1 else None
    p = found["spatial_entropy"].p_value
    edge = auroc_estimate(
        arguments["correct"], score, groups=arguments["groups"], kinds=by_kind, level=1 - p
    )
    nearest = min((edge.low, edge.high), key=lambda bound: abs(bound - 0.5))
    assert nearest == pytest.approx(0.5, abs=1e-9)


def test_with_independent_samples_it_is_the_delong_test_on_the_logit_scale():
    rng = np.random.default_rng(2)
    n = 2000
    y = rng.random(n) < 0.5
    score = 0.1 * y + rng.normal(size=n)
    found, _, _ = _run(
        n=n,
        kinds=("a",),
        correct=y,
        groups=list(map(str, range(n))),
        signals={"answer_margin": score},
    )
    right, wrong = score[y], score[~y]
    placements = [
        (rankdata(np.r_[own, other])[: own.size] - rankdata(own)) / other.size
        for own, other in ((right, wrong), (wrong, right))
    ]
    area = placements[0].mean()
    variance = sum(p.var(ddof=1) / p.size for p in placements)
    z = logit(area) * area * (1 - area) / np.sqrt(variance)
    assert expit(logit(area)) == pytest.approx(found["answer_margin"].auroc.value)
    assert found["answer_margin"].p_value == pytest.approx(2 * norm.sf(abs(z)), rel=0.02)


def test_a_perfect_signal_has_the_sign_test_over_disjoint_pairs():
    y = np.arange(80) % 2 == 0
    found, _, _ = _run(
        n=80,
        kinds=("a",),
        correct=y,
        groups=list(map(str, range(80))),
        signals={"answer_margin": y + 0.0},
    )
    assert found["answer_margin"].p_value == 2.0**-39


def test_no_verdict_on_few_errors_or_images():
    few_errors, card, _ = _run(correct=np.arange(300) >= 29)
    assert few_errors["token_confidence"].p_value is None
    assert {c.no_verdict for c in card.contrasts} == {"29 wrong answers only: no verdict below 30"}
    assert all(c.p_value is None for c in card.contrasts)
    few_images, card, _ = _run(groups=[str(i % 19) for i in range(300)])
    assert few_images["token_confidence"].p_value is None
    assert {c.no_verdict for c in card.contrasts} == {"19 images only: no verdict below 20"}


def test_each_signal_is_compared_with_every_control_and_the_free_signal():
    _, card, _ = _run()
    bars = {"answer_only", "kind_only", "question_only", "token_confidence"}
    found = {}
    for contrast in card.contrasts:
        found.setdefault(contrast.signal, set()).add(contrast.baseline)
    assert found == {
        "token_confidence": bars - {"token_confidence"},
        "spatial_entropy": bars,
        "fused_single_pass": bars,
    }


def test_a_contrast_is_the_paired_difference_on_the_samples_that_both_have():
    _, _, arguments = _run()
    probe = np.random.default_rng(7).normal(size=300)
    probe[:40] = np.nan
    signals = {"token_confidence": arguments["signals"]["token_confidence"], "probe": probe}
    _, card, _ = _run(signals=signals)
    (found,) = [
        c for c in card.contrasts if (c.signal, c.baseline) == ("probe", "token_confidence")
    ]
    y, groups = np.asarray(arguments["correct"])[40:], arguments["groups"][40:]
    pairs = (y, probe[40:]), (y, signals["token_confidence"][40:])
    assert found.n == 260
    assert found.difference == paired_auroc_difference(*pairs, groups=groups)
    kinds = arguments["kinds"][40:]
    assert found.within_kind == paired_auroc_difference(*pairs, groups=groups, kinds=kinds)
    assert found.decisive is found.within_kind


def test_within_kinds_the_kind_alone_is_a_coin():
    found, card, _ = _run()
    (contrast,) = [
        c for c in card.contrasts if (c.signal, c.baseline) == ("spatial_entropy", "kind_only")
    ]
    signal = found["spatial_entropy"]
    estimate = contrast.within_kind.estimate
    assert estimate.value == pytest.approx(signal.within_kind_auroc.value - 0.5)
    assert estimate.stderr == pytest.approx(signal.within_kind_auroc.stderr)


def test_what_fitting_adds_widens_a_contrast():
    found, _, arguments = _run()
    samples = Samples.draw(
        np.asarray(arguments["correct"]),
        arguments["groups"],
        arguments["kinds"],
        None,
        rng=np.random.default_rng(0),
    )
    scores = arguments["signals"]
    results = [found["token_confidence"], found["spatial_entropy"]]
    added = {"spatial_entropy": (0.01, 0.02), "token_confidence": (0.03, 0.04)}
    (plain,) = contrasts_of(results, scores, samples)
    (wide,) = contrasts_of(results, scores, samples, added)
    for one, other, extra in (
        (plain.difference, wide.difference, 0.04),
        (plain.within_kind, wide.within_kind, 0.06),
    ):
        assert other.estimate.stderr**2 == pytest.approx(one.estimate.stderr**2 + extra)
        assert other.p_value > one.p_value


def test_one_kind_has_no_difference_within_kinds():
    _, card, _ = _run(kinds=("a",))
    assert {c.within_kind for c in card.contrasts} == {None}
    assert all(c.decisive is c.difference for c in card.contrasts)


def test_figures_are_compared_on_the_samples_that_all_signals_have():
    _, _, arguments = _run()
    signals = dict(arguments["signals"])
    signals["spatial_entropy"] = np.where(np.arange(300) < 12, np.nan, signals["spatial_entropy"])
    signals["cluster_count"] = np.where(np.arange(300) < 20, np.nan, -(np.arange(300) % 7.0))
    _, card, _ = _run(signals=signals, kinds=("a",))
    common = card.common
    assert common.n == 288
    assert "cluster_count" not in common.names  # missing on more than 5 %
    assert "min_token_confidence" not in common.names  # a copy
    y, groups = arguments["correct"][12:], arguments["groups"][12:]
    expected = auroc_estimate(y, signals["token_confidence"][12:], groups=groups)
    assert common.of("token_confidence", mixed=False) == expected
    assert common.of("cluster_count", mixed=False) is None
