"""Every statistic of a card is the public function of it, and one without a field finds its way."""

from dataclasses import replace

import numpy as np
import pytest

import metrics
from metrics.card.card import evaluate_card
from metrics.card.statistics import STATISTICS, TwoRuns
from metrics.core.estimate import Estimate
from metrics.fitting.fit_spread import FitSpread

KEYS = [statistic.key for statistic in STATISTICS]
PLAIN = {
    "auroc": metrics.auroc,
    "error_average_precision": metrics.error_average_precision,
    "aurc": metrics.aurc,
    "e_aurc": metrics.e_aurc,
    "augrc": metrics.augrc,
    "prr": metrics.prr,
    "point_biserial": lambda y, s: np.corrcoef(y, s)[0, 1],
}


def card_of(correct, score, kinds, answers, **options):
    return evaluate_card(
        correct=correct,
        groups=[str(i // 2) for i in range(len(correct))],
        kinds=kinds,
        answers=answers,
        signals={"probe": score},
        rng=np.random.default_rng(0),
        **options,
    ).signals[0]


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(1)
    correct = (rng.random(300) < 0.6).astype(int)
    score = np.round(correct + rng.normal(0, 1.5, 300), 1)  # with ties
    kinds = ["count" if i % 3 else "colour" for i in range(300)]
    answers = ["yes" if i % 5 else "no" for i in range(300)]
    return correct, score, kinds, answers


def test_each_figure_is_what_its_function_gives(planted):
    correct, score, kinds, answers = planted
    result = card_of(*planted)
    for key, function in PLAIN.items():
        assert result.figure(key).value == pytest.approx(function(correct, score), abs=1e-12), key
    for key, strata in (("within_kind_auroc", kinds), ("within_answer_auroc", answers)):
        expected = metrics.within_kind_auroc(correct, score, strata)
        assert result.figure(key).value == pytest.approx(expected, abs=1e-12)
    for key in ("accuracy_at_80", "accuracy_at_90"):
        assert result.figure(key) == getattr(result.selective, key)
    assert len(KEYS) == len(set(KEYS))


def test_one_class_leaves_no_figure_and_every_reason(planted):
    _, score, kinds, answers = planted
    result = card_of(np.ones(300), score, kinds, answers)
    for statistic in STATISTICS:
        figure = result.figure(statistic.key)
        assert (figure is None) == statistic.selective
        assert figure is None or (figure.value is None and figure.reason)


def test_what_fitting_adds_is_in_the_interval_or_in_the_note(planted):
    bare = card_of(*planted)
    spread = FitSpread(10, 0.05, 0.05, 0.05, 0.01)
    fitted = card_of(*planted, fits={"probe": spread})
    for statistic in STATISTICS:
        before, after = bare.figure(statistic.key), fitted.figure(statistic.key)
        assert after.value == before.value
        if statistic.widened_by:
            assert after.stderr > before.stderr
            assert "whole cross-fit" in after.note
        else:
            assert after.stderr == before.stderr
            assert "what another split would change" in after.note


def test_a_statistic_without_a_field_is_kept_beside_them(planted):
    result = card_of(*planted)
    new = Estimate(value=0.5, low=0.4, high=0.6, stderr=0.05, reason=None)
    changed = result.with_figures({"my_own": new, "auroc": new, "prr": new})
    assert changed.figure("my_own") is new
    assert changed.auroc is changed.selective.prr is new
    assert result.figure("my_own") is None
    assert changed.figure("aurc") == result.figure("aurc")
    assert replace(changed, selective=None).with_figures({"prr": new}).figure("prr") is None


@pytest.mark.parametrize("statistic", [s for s in STATISTICS if s.gate], ids=lambda s: s.key)
def test_a_gate_compares_the_figure_itself(statistic, planted):
    correct, score, kinds, _ = planted
    worse = score + np.random.default_rng(2).normal(0, 2, 300)
    for kind in (kinds, ["one"] * 300):
        runs = TwoRuns(
            np.stack([correct, correct]).astype(float), np.stack([score, worse]),
            [str(i // 2) for i in range(300)], kind, np.zeros(2),
        )  # fmt: skip
        old, new = (statistic.gate.value(*side, runs.strata) for side in (runs.old, runs.new))
        found = statistic.gate.difference(runs).estimate.value
        assert found == pytest.approx(new - old, abs=1e-9)
        assert (found > 0) == statistic.lower_is_better
