import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulations.design import outcome_of
from benchmarks.simulations.planning import DESIGNS
from leaderboard.cli import main
from leaderboard.planning.plan import Wanted, plan_of
from leaderboard.runs.read import read_run
from metrics.card.of_records import card_of_records
from metrics.comparison.sample_size import images_for_difference
from tests.leaderboard.helpers.golden import make_records, write_run

WANTED = Wanted(0.03, 0.8, 0.05)


def planned(tmp_path, records, *signals, wanted=WANTED, **changes):
    run = read_run(write_run(tmp_path / "run", records, **changes))
    return {own.comparison: own for own in plan_of(run, "shapes", signals, wanted)}


def test_it_starts_from_the_difference_that_the_card_shows(tmp_path):
    records = make_records(400)
    found = planned(tmp_path, records)
    card = card_of_records(records, invalid={}, not_offered={}, fits={})
    (contrast,) = (
        c for c in card.contrasts
        if (c.signal, c.baseline) == ("self_consistency", "token_confidence")
    )  # fmt: skip
    own = found["AUROC: self-consistency (S_SC) less token confidence"]
    within = contrast.decisive
    assert own.value == pytest.approx(within.estimate.value)
    assert own.detectable == pytest.approx(within.smallest_detectable)
    assert own.images == images_for_difference(within.estimate.stderr, 100, difference=0.03)
    assert own.questions == 4 * own.images
    assert (own.n, own.n_groups, own.note) == (400, 100, None)


def test_answers_that_go_together_need_more_images(tmp_path):
    rng = np.random.default_rng(0)
    together = []
    for record in make_records(600, kinds=("all",)):
        image = int(record.group.split("-")[1])
        correct = int(image % 3 > 0)
        together.append(replace(record, correct=correct, score=float(correct)))
    apart = [replace(r, correct=(c := int(rng.random() < 2 / 3)), score=float(c)) for r in together]
    accuracy = "accuracy: another model's less this one's"
    clustered = planned(tmp_path / "a", together)[accuracy]
    free = planned(tmp_path / "b", apart)[accuracy]
    assert clustered.design_effect == pytest.approx(4, rel=0.1)
    assert free.design_effect == pytest.approx(1, abs=0.35)
    assert clustered.questions == pytest.approx(4 * clustered.alone, rel=0.1)
    assert clustered.alone == pytest.approx(free.alone, rel=0.1)


def test_another_model_doubles_the_variance_of_one(tmp_path):
    """The usual formula for two independent shares of independent questions."""
    records = [replace(r, group=str(i)) for i, r in enumerate(make_records(500))]
    own = planned(tmp_path, records)["accuracy: another model's less this one's"]
    share = np.mean([r.correct for r in records])
    plain = 2 * share * (1 - share) * ((1.96 + 0.8416) / 0.03) ** 2
    assert own.questions == pytest.approx(plain, rel=0.01)
    assert own.design_effect == pytest.approx(1)


def test_what_is_missing_says_so(tmp_path):
    found = planned(
        tmp_path,
        make_records(200),
        "spatial_entropy", "probe", "self_consistency", "token_confidence",
        invalid={"shapes:spatial_entropy": "broken"},
        not_offered={"shapes:probe": "text only"},
    )  # fmt: skip
    reasons = [own.reason for own in found.values()]
    assert reasons[:2] == ["INVALID: broken", "not offered: text only"]
    assert reasons[3] == "nothing differs over images"  # the free one less itself
    few = planned(tmp_path / "few", make_records(40))
    assert {own.note for own in few.values() if own.reason is None} == {
        "10 images only: no verdict below 20"
    }
    right = planned(tmp_path / "right", make_records(200, all_correct=True))
    assert "one class only" in right["AUROC: self-consistency (S_SC) less token confidence"].reason


def test_a_fitted_signal_needs_more(tmp_path):
    name = "AUROC: hidden-state probe (L2) less token confidence"
    fits = {"shapes:probe": {"repeats": 10, "stderr": 0.05, "stderr_within_kind": 0.05}}
    plain = planned(tmp_path / "a", make_records(400), "probe")[name]
    fitted = planned(tmp_path / "b", make_records(400), "probe", fits=fits)[name]
    assert fitted.images > plain.images
    assert fitted.detectable > plain.detectable


def test_the_command_prints_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run = write_run(tmp_path / "run", make_records(400))
    assert main(["plan", str(run), "--difference", "0.05"]) == 0
    once = capsys.readouterr().out
    said = " ".join(once.split())
    assert "a true difference of 0.05 with 80% power at the two-sided level 0.05" in said
    assert "400 answers to questions about 100 images" in said
    assert main(["plan", str(run), "--difference", "0.05", "--comparisons", "20"]) == 0
    many = capsys.readouterr().out
    rows = [
        [int(number.replace(",", "")) for number in line.split()[-3:]]
        for text in (once, many)
        for line in text.splitlines()
        if line.startswith("AUROC: self")
    ]
    assert all(a < b for a, b in zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--signal", "nothing"], "'nothing' is no declared signal"),
        (["--task", "none"], "the run has no task 'none'"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, arguments, why):
    run = write_run(tmp_path / "run", make_records(100))
    assert main(["plan", str(run), *arguments]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "argument", ["--difference=0", "--power=1", "--comparisons=0", "--difference=nan"]
)
def test_arguments_are_checked(capsys, argument):
    with pytest.raises(SystemExit):
        main(["plan", "run", argument])
    assert "must be" in capsys.readouterr().err


@pytest.mark.parametrize("design", DESIGNS[1:3], ids=lambda design: design.data)
def test_the_difference_is_found_at_the_planned_rate(design):
    outcome = outcome_of(design, draws=80)
    assert not outcome.misses_goal, outcome.rate
    assert outcome.rate < 0.95, "far more than needed"
    assert not math.isnan(outcome.rate)
