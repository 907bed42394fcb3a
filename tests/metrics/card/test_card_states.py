"""Signals without figures for another reason than a fault."""

import numpy as np
import pytest

from metrics.card.card import evaluate_card


def _card(**changes):
    rng = np.random.default_rng(0)
    correct = rng.random(160) < 0.6
    arguments = {
        "correct": correct,
        "groups": [str(i // 2) for i in range(160)],
        "kinds": ["all"] * 160,
        "signals": {
            "token_confidence": -np.exp(rng.normal(size=160) - correct),
            "truth_margin": np.where(correct, 1.0, -1.0) * rng.random(160),
            "self_consistency": np.full(160, np.nan),
        },
        "rng": np.random.default_rng(0),
    } | changes
    card = evaluate_card(**arguments)
    return {signal.name: signal for signal in card.signals}, card


def test_what_is_not_offered_is_neither_invalid_nor_without_a_reason():
    found, card = _card(not_offered={"self_consistency": "k=0 draws no samples"})
    absent = found["self_consistency"]
    assert (absent.invalid, absent.not_offered) == (None, "k=0 draws no samples")
    assert absent.auroc.reason == "not offered: k=0 draws no samples"
    assert (absent.n, absent.n_missing, absent.is_scored) == (0, 160, False)
    assert all("self_consistency" not in dict(fusion.left_out) for fusion in card.fusion)


def test_missing_everywhere_without_such_a_setting_stays_invalid():
    found, _ = _card()
    assert found["self_consistency"].invalid == "missing for all 160 samples"
    assert found["self_consistency"].not_offered is None


def test_a_signal_that_has_values_is_scored_whatever_the_settings_say():
    found, _ = _card(not_offered={"token_confidence": "?"})
    assert found["token_confidence"].is_scored
    assert found["token_confidence"].auroc.value is not None


def test_an_oracle_that_restates_the_label_has_no_figure():
    found, _ = _card(n_tokens=[1] * 160)
    margin = found["truth_margin"]
    assert margin.auroc.value is None
    assert margin.auroc.reason.startswith("by construction: every answer is one token")
    assert margin.selective is None
    assert found["token_confidence"].is_scored


def test_an_oracle_whose_sign_is_the_label_has_none_either():
    found, _ = _card(n_tokens=[1] * 100 + [3] * 60)
    assert found["truth_margin"].by_construction.startswith("the first token decides")


@pytest.mark.parametrize("n_tokens", [[1] * 159 + [2], None, [None] * 160])
def test_an_oracle_of_longer_answers_is_an_estimate(n_tokens):
    """The first token is the true one, and the answer wrong all the same."""
    margin = np.where(np.random.default_rng(0).random(160) < 0.6, 1.0, -1.0)
    margin[np.flatnonzero(margin < 0)[0]] = 2.0
    found, _ = _card(n_tokens=n_tokens, signals={"truth_margin": margin})
    assert 0.9 < found["truth_margin"].auroc.value < 1.0


def _manifest(**fields):
    return {
        "schema_version": 2,
        "created": "",
        "model": {"name": "m"},
        "tasks": {},
        "settings": {"k": 0, "hidden_dtype": "none"},
        "versions": {},
        "command": [],
        **fields,
    }
