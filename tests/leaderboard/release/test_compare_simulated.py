"""The release check on planted truth: power as stated, false alarms no more often than alpha."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import binom

from leaderboard.release.compare import compare_runs
from leaderboard.release.tolerances import Tolerances
from leaderboard.runs.read import Run
from tests.leaderboard.helpers.golden import make_manifest, make_records

N, TRIALS, RIGHT = 200, 100, 0.7
ALPHA = 0.05
RECORDS = make_records(N, kinds=("all",))
MANIFEST = make_manifest(RECORDS)


def run_with(correct, scores, folder):
    records = [
        replace(r, correct=int(c), score=float(c), signals={"token_confidence": float(s)})
        for r, c, s in zip(RECORDS, correct, scores, strict=True)
    ]
    return Run(folder, MANIFEST, tuple(records))


def verdict(old, new, tolerances):
    ((_, gate),) = compare_runs(old, new, tolerances).gates
    return gate.verdict


def at_most(probability):
    """Largest count of TRIALS that is not exceeded with 99.5 %."""
    return int(binom.ppf(0.995, TRIALS, probability))


def at_least(probability):
    return int(binom.ppf(0.005, TRIALS, probability))


def trials(make_old, make_new, tolerances, folder):
    """Verdicts of independent pairs of runs."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(TRIALS):
        old, new = make_old(rng), make_new(rng)
        found.append(verdict(run_with(*old, folder), run_with(*new, folder), tolerances))
    return found


def model(right=RIGHT, strength=1.0):
    """Draws labels and a signal that tells them apart by ``strength`` standard deviations."""

    def draw(rng):
        correct = rng.random(N) < right
        return correct, -np.exp(-strength * correct - rng.normal(size=N))

    return draw


def test_ties_are_flagged_no_more_often_than_alpha(tmp_path):
    for gate in ("accuracy", "auroc.token_confidence"):
        tolerances = Tolerances({gate: 0.0}, ALPHA)
        verdicts = trials(model(), model(), tolerances, tmp_path)
        flagged = sum(v in ("regressed", "improved") for v in verdicts)
        assert flagged <= at_most(ALPHA), gate


def test_a_drop_of_the_detectable_size_is_found_at_the_stated_power(tmp_path):
    """Independent answers on images of four: what equal runs say they can see, margin included."""
    tolerances = Tolerances({"accuracy": 0.02}, ALPHA)
    rng = np.random.default_rng(1)
    old, new = (run_with(*model()(rng), tmp_path) for _ in range(2))
    ((_, gate),) = compare_runs(old, new, tolerances).gates
    verdicts = trials(model(), model(RIGHT - gate.detectable), tolerances, tmp_path)
    assert verdicts.count("regressed") >= at_least(0.8)


def test_a_lost_signal_is_found_and_a_gained_one_is_an_improvement(tmp_path):
    """AUROC falls from 0.92 to 0.5, AUGRC rises from 0.06 to 0.15."""
    for gate in ("auroc.token_confidence", "augrc.token_confidence"):
        tolerances = Tolerances({gate: 0.0}, ALPHA)
        lost = trials(model(strength=2.0), model(strength=0.0), tolerances, tmp_path)
        assert lost.count("regressed") >= at_least(0.95), gate
        gained = trials(model(strength=0.0), model(strength=2.0), tolerances, tmp_path)
        assert gained.count("improved") >= at_least(0.95), gate


def test_a_loss_within_the_margin_is_seldom_a_regression(tmp_path):
    """A true drop of 0.045 under a margin of 0.05, standard error 0.047."""
    tolerances = Tolerances({"accuracy": 0.05}, ALPHA)
    verdicts = trials(model(), model(RIGHT - 0.045), tolerances, tmp_path)
    assert verdicts.count("regressed") <= at_most(0.025)


def test_a_loss_beyond_the_margin_is_seldom_called_unchanged(tmp_path):
    """Nearly the same answers, some turned wrong: little varies, and that is no evidence."""

    rng, verdicts = np.random.default_rng(0), []
    for _ in range(TRIALS):
        (correct, score), lost = model()(rng), rng.random(N) < 0.05 / RIGHT
        old, new = run_with(correct, score, tmp_path), run_with(correct & ~lost, score, tmp_path)
        verdicts.append(verdict(old, new, Tolerances({"accuracy": 0.02}, ALPHA)))
    assert verdicts.count("unchanged within margin") <= at_most(ALPHA)
