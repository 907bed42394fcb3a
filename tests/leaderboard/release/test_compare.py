import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.special import expit

from leaderboard.cli import main
from leaderboard.errors import IncomparableError, ToleranceError
from leaderboard.release.compare import compare_runs
from leaderboard.release.tolerances import Tolerances, read_tolerances
from leaderboard.release.verdicts import Change, holm, judge
from leaderboard.results.robustness import summarise
from leaderboard.runs.read import Run, read_run
from metrics.comparison.differences import Difference
from metrics.comparison.margins import beyond_margin
from metrics.comparison.paired_proportions import detectable_proportion_difference
from metrics.scores.bootstrap import Estimate
from tests.leaderboard.helpers.golden import make_manifest, make_records, write_run
from tests.leaderboard.helpers.sweeps import plateau, write_swept_run

ACCURACY = Tolerances({"accuracy": 0.02})
BOTH = Tolerances({"accuracy": 0.02, "auroc.token_confidence": 0.03})


def run_of(records, tmp_path, **changes):
    return Run(tmp_path, make_manifest(records, **changes), tuple(records))


def with_labels(records, correct):
    return [
        replace(r, correct=int(c), score=float(c)) for r, c in zip(records, correct, strict=True)
    ]


def damaged(records, share, seed=0):
    """The same answers with a share of the right ones turned wrong, and noise for a signal."""
    rng = np.random.default_rng(seed)
    labels = [r.correct and int(rng.random() >= share) for r in records]
    return [
        replace(r, signals=r.signals | {"token_confidence": -float(np.exp(rng.normal()))})
        for r in with_labels(records, labels)
    ]


@pytest.mark.parametrize(
    ("n_images", "verdicts"),
    [
        (1, ["cannot tell", "cannot tell"]),
        (19, ["cannot tell", "cannot tell"]),
        # of 140 images 2.1 % could still change; 200 are enough for 0.02, and for 0.03 of the pairs
        (140, ["cannot tell", "cannot tell"]),
        (150, ["unchanged within margin", "cannot tell"]),
        (200, ["unchanged within margin", "unchanged within margin"]),
    ],
)
def test_a_run_against_itself_is_unchanged_where_there_are_images_enough(
    tmp_path, n_images, verdicts
):
    run = run_of(make_records(4 * n_images), tmp_path)
    comparison = compare_runs(run, run, BOTH)
    assert [gate.verdict for _, gate in comparison.gates] == verdicts
    assert not comparison.has_regressed
    if n_images >= 20:
        assert [gate.change.value for _, gate in comparison.gates] == [0.0, 0.0]
        assert ["rule of three" in g.change.note for _, g in comparison.gates] == [True, True]


def test_four_right_answers_on_two_images_are_no_evidence(tmp_path):
    records = [replace(r, group=f"image-{i // 2}") for i, r in enumerate(make_records(4))]
    run = run_of(with_labels(records, [1] * 4), tmp_path)
    ((_, gate),) = compare_runs(run, run, ACCURACY).gates
    assert (gate.verdict, gate.change.n, gate.change.n_groups) == ("cannot tell", 4, 2)
    assert gate.change.reason == "2 images only: no verdict below 20"


def test_below_twenty_images_no_gate_gives_a_verdict(tmp_path):
    """Nineteen images of ten answers, the new run wrong throughout: still no verdict."""
    records = [replace(r, group=f"image-{i // 10}") for i, r in enumerate(make_records(200))]
    old = [r for r in records if r.group != "image-19"]
    new = damaged(old, 0.9)
    gates = {"accuracy": 0.02, "auroc.token_confidence": 0.03, "augrc.token_confidence": 0.02}
    tolerances = Tolerances(gates | {"ece.token_confidence": 0.03})
    few = compare_runs(run_of(old, tmp_path), run_of(new, tmp_path), tolerances)
    assert {(g.verdict, g.change.reason) for _, g in few.gates} == {
        ("cannot tell", "19 images only: no verdict below 20")
    }
    enough = compare_runs(
        run_of(records, tmp_path), run_of(damaged(records, 0.9), tmp_path), tolerances
    )
    assert enough.gates[0][1].verdict == "regressed"


def test_a_damaged_run_has_regressed_in_each_gate_and_the_reverse_has_improved(tmp_path):
    records = make_records(600, kinds=("all",))
    old, new = run_of(records, tmp_path), run_of(damaged(records, 0.2), tmp_path)
    verdicts = {g.change.gate: g.verdict for _, g in compare_runs(old, new, BOTH).gates}
    assert verdicts == {"accuracy": "regressed", "auroc.token_confidence": "regressed"}
    back = compare_runs(new, old, BOTH)
    assert {gate.verdict for _, gate in back.gates} == {"improved"}


def test_the_accuracy_difference_is_the_mean_of_the_paired_differences(tmp_path):
    records = make_records(100)
    worse = damaged(records, 0.3)
    (_, gate), *_ = compare_runs(run_of(records, tmp_path), run_of(worse, tmp_path), ACCURACY).gates
    paired = [b.correct - a.correct for a, b in zip(records, worse, strict=True)]
    assert gate.change.value == pytest.approx(sum(paired) / 100)
    by_image = np.array(paired).reshape(25, 4).mean(axis=1)
    assert gate.change.difference.estimate.stderr == pytest.approx(
        by_image.std(ddof=1) / 5, rel=0.3
    )


def test_a_small_run_cannot_tell_and_says_what_it_could_have_seen(tmp_path):
    rng = np.random.default_rng(0)
    records = make_records(100)
    rows = rng.random((2, 100)) < 0.7
    old, new = (run_of(with_labels(records, row), tmp_path) for row in rows)
    gate = compare_runs(old, new, ACCURACY).gates[0][1]
    assert gate.verdict == "cannot tell"
    groups = np.arange(100) // 4
    expected = detectable_proportion_difference(rows[1], rows[0], groups=groups, margin=0.02)
    assert gate.detectable == pytest.approx(expected)
    # at least the margin and (1.960 + 0.842) standard errors, for one gate at 5 % and 80 % power
    assert gate.detectable > 0.02 + 2.8016 * gate.change.difference.estimate.stderr
    more = Tolerances({"accuracy": 0.02, "augrc.probe": 0.1, "auroc.probe": 0.1})
    one_of_three = compare_runs(old, new, more).gates[0][1]
    assert one_of_three.detectable == pytest.approx(
        detectable_proportion_difference(
            rows[1], rows[0], groups=groups, margin=0.02, alpha=0.05 / 3
        )
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"k": 5, "temperature": 0.7, "top_p": 0.9, "seed": 0}}, r"k \(10 and 5\)"),
        ({"tasks": {"shapes": {"version": 2, "split": "test", "threshold": 0.5}}}, "version"),
        ({"tasks": {"shapes": {"version": 1, "split": "test", "threshold": 0.3}}}, "threshold"),
        ({"tasks": {"other": {}}}, "no task in common"),
        ({"invalid": {"shapes:token_confidence": "constant"}}, r"INVALID in the new run"),
    ],
)
def test_runs_that_were_made_differently_are_refused(tmp_path, change, message):
    records = make_records(40)
    with pytest.raises(IncomparableError, match=message):
        compare_runs(run_of(records, tmp_path), run_of(records, tmp_path, **change), BOTH)


QWEN = {"name": "m", "adapter": "simple.qwen2_vl", "dtype": "bfloat16"}
LLAVA = {"name": "l", "adapter": "chat.llava_hf", "dtype": "bfloat16"}
ASKED = {"k": 10, "temperature": 0.7, "top_p": 0.9, "seed": 0}


def asked_with(arguments):
    return {**ASKED, "model_arguments": arguments} if arguments is not None else ASKED


@pytest.mark.parametrize(
    ("arguments", "models", "said"),
    [
        (({"max_pixels": 1}, {"max_pixels": 1}), (QWEN, QWEN), []),
        (({"max_pixels": 1}, {"max_pixels": 2}), (QWEN, QWEN), ["max_pixels (1 and 2)"]),
        (
            ({"max_pixels": 1, "system_prompt": "a"}, {"max_pixels": 2, "system_prompt": None}),
            (QWEN, QWEN),
            ["max_pixels (1 and 2)", "system_prompt (a and None)"],
        ),
        (({"a": 1}, {}), (QWEN, QWEN), ["a (1 and None)"]),
        (({"max_pixels": 1}, {"chat_template": "x"}), (QWEN, LLAVA), []),
        (({"n": 1, "max_pixels": 1}, {"n": 2}), (QWEN, LLAVA), ["n (1 and 2)"]),
        (({"dtype": "auto"}, {"dtype": "bfloat16"}), (QWEN, QWEN), []),
        (
            ({"dtype": "auto"}, {"dtype": "float16"}),
            (QWEN, {**QWEN, "dtype": "float16"}),
            ["dtype (auto and float16)"],
        ),
        ((None, None), (QWEN, QWEN), []),
        ((None, {"a": 1}), (QWEN, QWEN), ["not recorded in the old run"]),
        (({"a": 1}, None), (QWEN, QWEN), ["not recorded in the new run"]),
    ],
)
def test_runs_under_other_model_arguments_are_refused_by_name(tmp_path, arguments, models, said):
    old, new = (
        run_of(make_records(40), tmp_path, settings=asked_with(own), model=model)
        for own, model in zip(arguments, models, strict=True)
    )
    found = compare_runs(old, new, ACCURACY, allow_different=True).differing
    assert len(found) == len(said)
    for line, part in zip(found, said, strict=True):
        assert part in line
        assert "model argument" in line
    if said:
        with pytest.raises(IncomparableError, match="--allow-different"):
            compare_runs(old, new, ACCURACY)
    else:
        compare_runs(old, new, ACCURACY)


@pytest.mark.parametrize("field", ["prompt", "target", "kind"])
def test_samples_that_differ_are_refused_and_let_pass_on_request(tmp_path, field):
    records = make_records(40)
    changed = [replace(records[0], **{field: "another"}), *records[1:]]
    old, new = run_of(records, tmp_path), run_of(changed, tmp_path)
    with pytest.raises(IncomparableError, match=rf"shapes's {field} of 1 sample\(s\) \(0\)"):
        compare_runs(old, new, ACCURACY)
    comparison = compare_runs(old, new, ACCURACY, allow_different=True)
    assert len(comparison.differing) == 1


def test_runs_on_fewer_samples_are_refused(tmp_path):
    records = make_records(40)
    with pytest.raises(IncomparableError, match=r"samples \(40 and 36, 36 labelled in both\)"):
        compare_runs(run_of(records, tmp_path), run_of(records[:36], tmp_path), ACCURACY)


def test_a_benchmark_that_was_left_out_is_refused(tmp_path):
    records = make_records(40)
    both = run_of([*records, *make_records(40, task="other")], tmp_path)
    with pytest.raises(IncomparableError, match=r"the task other \(old run only\)"):
        compare_runs(both, run_of(records, tmp_path), ACCURACY)
    comparison = compare_runs(both, run_of(records, tmp_path), ACCURACY, allow_different=True)
    assert [task.task for task in comparison.tasks] == ["shapes"]


def test_every_kind_of_gate_finds_a_signal_that_was_lost(tmp_path):
    records = make_records(600, kinds=("all",), strength=2.0)
    lost = damaged(records, 0.0)
    gates = {f"{kind}.token_confidence": 0.01 for kind in ("auroc", "augrc")}
    tolerances = Tolerances({"accuracy": 0.02, **gates})
    found = compare_runs(run_of(records, tmp_path), run_of(lost, tmp_path), tolerances)
    assert {g.change.gate: g.verdict for _, g in found.gates} == {
        "accuracy": "unchanged within margin",
        "auroc.token_confidence": "regressed",
        "augrc.token_confidence": "regressed",
    }


def told(records, probability, right):
    """The same records with labels, and a token confidence that states a probability."""
    return [
        replace(r, signals=r.signals | {"token_confidence": float(np.log(p))})
        for r, p in zip(with_labels(records, right), probability, strict=True)
    ]


CALIBRATION = tuple(
    f"{kind}.token_confidence" for kind in ("brier", "ece", "brier_stated", "ece_stated")
)


def calibration_gates(old, new, tmp_path, gates=CALIBRATION, margin=0.03):
    tolerances = Tolerances(dict.fromkeys(gates, margin))
    found = compare_runs(run_of(old, tmp_path), run_of(new, tmp_path), tolerances).gates
    return {gate.change.gate: gate for _, gate in found}


def drifted_runs(seed=0, n=1000, factor=8.0):
    """The issue's drift: the same answers, log-odds of the token times 8."""
    rng = np.random.default_rng(seed)
    odds = 2.8 + 1.7 * rng.normal(size=n)
    right = rng.random(n) < expit(odds - 0.5)  # stated ECE 0.05, and 0.14 after the drift
    records = make_records(n, kinds=("all",))
    return (told(records, np.clip(expit(k * odds), 1e-12, 1), right) for k in (1.0, factor))


@pytest.mark.parametrize("seed", range(3))
def test_a_probability_that_was_driven_to_its_ends_regresses(tmp_path, seed):
    old, new = drifted_runs(seed)
    gates = calibration_gates(old, new, tmp_path)
    stated = gates["ece_stated.token_confidence"].change
    assert stated.old == pytest.approx(0.05, abs=0.035)
    assert stated.new == pytest.approx(0.14, abs=0.03)
    assert {name: gate.verdict for name, gate in gates.items()
            if not name.startswith("brier")} == {
        "ece.token_confidence": "regressed", "ece_stated.token_confidence": "regressed",
    }  # fmt: skip
    assert all(gate.change.value > 0 for gate in gates.values())
    for gate in ("ece", "brier"):
        assert gates[f"{gate}.token_confidence"].verdict != "unchanged within margin"


def test_the_documented_defaults_find_the_drift(tmp_path):
    old, new = drifted_runs()
    margins = {
        gate: margin
        for gate, margin in read_tolerances().margins.items()
        if gate.endswith("token_confidence") or gate == "accuracy"
    }
    tolerances = Tolerances(margins)
    found = compare_runs(run_of(old, tmp_path), run_of(new, tmp_path), tolerances)
    verdicts = {gate.change.gate: gate.verdict for _, gate in found.gates}
    assert verdicts["ece.token_confidence"] == "regressed"
    assert verdicts["auroc.token_confidence"] != "regressed"  # ranks are as they were


def test_the_new_run_has_no_part_in_the_calibration(tmp_path):
    """Half of the right answers lost: a curve fitted anew would follow them down."""
    old, _ = drifted_runs()
    lost = with_labels(old, [r.correct and i % 2 for i, r in enumerate(old)])
    gates = calibration_gates(old, lost, tmp_path)
    assert {gate.verdict for gate in gates.values()} == {"regressed"}
    assert gates["ece.token_confidence"].change.new > 0.3


def test_calibration_gates_of_the_same_run_are_unchanged(tmp_path):
    old, _ = drifted_runs()
    gates = calibration_gates(old, old, tmp_path)
    assert {gate.verdict for gate in gates.values()} == {"unchanged within margin"}
    # one bit of rounding in the scores is no drift
    nudged = [
        replace(r, signals={k: v if v is None else v * (1 - 1e-6) for k, v in r.signals.items()})
        for r in old
    ]
    gates = calibration_gates(old, nudged, tmp_path)
    assert {gate.verdict for gate in gates.values()} == {"unchanged within margin"}


def test_a_shape_that_no_logistic_curve_can_state_regresses(tmp_path):
    """Right in a window of the score only."""
    rng = np.random.default_rng(0)
    records, scores = make_records(800, kinds=("all",)), rng.normal(size=800)
    probability = np.exp(-np.exp(-scores))
    old = told(records, probability, rng.random(800) < expit(2 * scores))
    new = told(records, probability, (scores > 0) & (scores < 1))
    gate = calibration_gates(old, new, tmp_path)["ece.token_confidence"]
    assert gate.verdict == "regressed"
    assert gate.change.old < 0.08
    assert gate.change.new > 0.2


def test_a_sweep_that_one_run_lacks_is_no_verdict_and_no_refusal(tmp_path):
    run = run_of(make_records(800), tmp_path)
    found = compare_runs(run, run, Tolerances({"robustness": 0.05, "accuracy": 0.02}))
    verdicts = [(g.change.gate, g.verdict, g.change.reason) for _, g in found.gates]
    reason = "the runs did not sweep the same interventions on common samples"
    assert verdicts == [
        ("robustness", "cannot tell", reason),
        ("accuracy", "unchanged within margin", None),
    ]
    assert not found.has_regressed


def test_a_model_that_breaks_earlier_under_ablation_regresses_in_robustness_alone(tmp_path):
    def frail(intervention, choice, dose):
        return 0.6 if choice == "random" else 1.0

    old = read_run(write_swept_run(tmp_path / "old", plateau, n=800))
    new = read_run(write_swept_run(tmp_path / "new", frail, n=800))
    tolerances = Tolerances({"accuracy": 0.02, "robustness": 0.05})
    verdicts = {g.change.gate: g.verdict for _, g in compare_runs(old, new, tolerances).gates}
    assert verdicts == {"accuracy": "unchanged within margin", "robustness": "regressed"}


def lacking(records, n):
    """The same without the signal on the first ``n`` samples."""
    bare = {"signals": {"token_confidence": None}, "missing": {"token_confidence": "?"}}
    return [
        replace(r, signals=r.signals | bare["signals"], missing=bare["missing"]) if i < n else r
        for i, r in enumerate(records)
    ]


def test_a_gate_counts_the_samples_that_have_its_signal(tmp_path):
    records = make_records(200)
    old, new = run_of(records, tmp_path), run_of(lacking(records, 15), tmp_path)
    assert [gate.change.n for _, gate in compare_runs(old, new, BOTH).gates] == [200, 185]


def test_a_signal_that_one_run_lacks_or_broke_is_refused(tmp_path):
    records = make_records(200)
    old = run_of(records, tmp_path)
    with pytest.raises(IncomparableError, match=r"INVALID in the new run \(missing on 30 of 200"):
        compare_runs(old, run_of(lacking(records, 30), tmp_path), BOTH)
    flat = [replace(r, signals=r.signals | {"token_confidence": -1.0}) for r in records]
    with pytest.raises(IncomparableError, match=r"INVALID in the new run \(constant over the run"):
        compare_runs(old, run_of(flat, tmp_path), BOTH)


def test_below_thirty_errors_there_is_no_verdict_but_on_accuracy(tmp_path):
    records = make_records(700)
    few = with_labels(records, [i >= 12 for i in range(700)])
    run = run_of(few, tmp_path)
    verdicts = [(g.verdict, g.change.reason) for _, g in compare_runs(run, run, BOTH).gates]
    assert verdicts == [
        ("unchanged within margin", None),
        ("cannot tell", "12 wrong answers only: no verdict below 30"),
    ]


def test_the_robustness_gate_counts_what_was_swept(tmp_path):
    """Of 800 answers 125 on 32 images were swept: those are its n, and what it may judge."""
    swept = {"n": 800, "swept": 125}
    old = read_run(write_swept_run(tmp_path / "old", plateau, **swept))
    new = read_run(write_swept_run(tmp_path / "new", plateau, **swept, seed=1))
    tolerances = Tolerances({"accuracy": 0.02, "robustness": 0.05})
    accuracy, robustness = (g for _, g in compare_runs(old, new, tolerances).gates)
    assert (accuracy.change.n, accuracy.change.n_groups) == (800, 200)
    assert (robustness.change.n, robustness.change.n_groups) == (125, 32)
    for run, figure in ((old, robustness.change.old), (new, robustness.change.new)):
        expected = next(
            curve.area.value
            for curve in summarise(run, "shapes").curves
            if (curve.key.intervention, curve.key.choice) == ("ablate_residual", "random")
        )
        assert figure == pytest.approx(expected)
    assert robustness.change.value == pytest.approx(robustness.change.new - robustness.change.old)


@pytest.mark.parametrize(
    ("swept", "reason"),
    [
        (60, "15 images only: no verdict below 20"),
        (78, "29 wrong answers only: no verdict below 30"),
    ],
)
def test_the_robustness_gate_keeps_the_rules_of_the_others(tmp_path, swept, reason):
    def frail(intervention, choice, dose):
        return 0.1

    old = read_run(write_swept_run(tmp_path / "old", plateau, n=800, swept=swept))
    new = read_run(write_swept_run(tmp_path / "new", frail, n=800, swept=swept))
    tolerances = Tolerances({"robustness": 0.05})
    ((_, gate),) = compare_runs(old, new, tolerances).gates
    assert (gate.verdict, gate.change.reason) == ("cannot tell", reason)
    assert gate.change.new < 0.6 * gate.change.old


def test_what_fitting_adds_widens_the_gates_of_fitted_signals(tmp_path):
    records = make_records(400, kinds=("all",))
    rng = np.random.default_rng(0)
    moved = [
        replace(r, signals=r.signals | {"probe": r.signals["probe"] + rng.normal()})
        for r in records
    ]
    gates = {"auroc.probe": 0.03, "augrc.probe": 0.03, "auroc.token_confidence": 0.03}
    tolerances = Tolerances(gates)

    def stderrs(old, new):
        found = compare_runs(old, new, tolerances).gates
        return [gate.change.difference.estimate.stderr for _, gate in found]

    plain = stderrs(run_of(records, tmp_path), run_of(moved, tmp_path))
    fits = {"shapes:probe": {"stderr": 0.03, "stderr_within_kind": 0.9, "repeats": 20, "p": None}}
    more = {"shapes:probe": {"stderr": 0.04, "stderr_within_kind": 0.9, "repeats": 20, "p": None}}
    fitted = stderrs(run_of(records, tmp_path, fits=fits), run_of(moved, tmp_path, fits=more))
    assert fitted[0] == pytest.approx(np.hypot(plain[0], 0.05))
    accuracy = np.mean([r.correct for r in records])
    assert fitted[1] == pytest.approx(np.hypot(plain[1], 0.05 * accuracy * (1 - accuracy)))
    assert fitted[2] == plain[2]


def test_gates_within_kinds_take_what_fitting_adds_within_kinds(tmp_path):
    records = make_records(400)
    moved = [
        replace(r, signals=r.signals | {"probe": float(np.sin(i) + r.correct)})
        for i, r in enumerate(records)
    ]
    fits = {"shapes:probe": {"stderr": 0.9, "stderr_within_kind": 0.06, "repeats": 20, "p": None}}
    tolerances = Tolerances({"auroc.probe": 0.03})
    plain, fitted = (
        compare_runs(run_of(records, tmp_path), run_of(moved, tmp_path, **more), tolerances)
        .gates[0][1]
        .change.difference.estimate.stderr
        for more in ({}, {"fits": fits})
    )
    assert fitted == pytest.approx(np.hypot(plain, 0.06))


def test_samples_without_a_label_in_both_runs_are_no_difference(tmp_path):
    records = make_records(200)
    bare = [replace(r, correct=None, score=None) if i < 20 else r for i, r in enumerate(records)]
    run = run_of(bare, tmp_path)
    assert [gate.change.n for _, gate in compare_runs(run, run, BOTH).gates] == [180, 180]
    with pytest.raises(IncomparableError, match="shapes's samples"):
        compare_runs(run, run_of(records, tmp_path), BOTH)


def test_one_class_cannot_be_told(tmp_path):
    run = run_of(make_records(40, all_correct=True), tmp_path)
    gate = compare_runs(run, run, BOTH).gates[1][1]
    assert gate.verdict == "cannot tell"
    assert gate.change.reason
    assert gate.change.value is None


def test_holm_steps_down():
    # sorted: 0.01 · 3, 0.03 · 2, 0.04 · 1, each at least as large as the one before
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def change(gate, value, stderr, *, margin=0.02, n_groups=500):
    """A change whose difference is normal over so many images."""
    degrees = n_groups - 1
    plain = Difference(Estimate(value, value, value, stderr, None), None, None, degrees)
    difference = beyond_margin(plain, margin=margin, n_groups=n_groups)
    return Change(gate, 0.7, 0.7 + value, 2000, n_groups, difference)


@pytest.mark.parametrize(
    ("value", "stderr", "verdict"),
    [
        (-0.08, 0.02, "regressed"),  # [-0.119, -0.041]
        (0.08, 0.02, "improved"),
        (-0.055, 0.02, "cannot tell"),  # beyond the margin and not 0, but [-0.094, -0.016]
        (-0.0165, 0.004, "cannot tell"),  # worse, surely, by what is tolerated, perhaps by more
        (-0.005, 0.005, "unchanged within margin"),
        (-0.01, 0.0045, "unchanged within margin"),  # worse, by less
        (-0.04, 0.03, "cannot tell"),
    ],
)
def test_verdicts(value, stderr, verdict):
    assert judge([change("accuracy", value, stderr)], ACCURACY)[0].verdict == verdict


def test_a_single_gate_regresses_where_its_interval_lies_beyond_the_margin():
    for value in np.linspace(-0.07, -0.05, 41):
        found = change("accuracy", float(value), 0.02)
        is_beyond = found.difference.estimate.high < -0.02
        assert (judge([found], ACCURACY)[0].verdict == "regressed") == is_beyond


def test_an_interval_without_width_is_no_evidence():
    plain = Difference(Estimate(0.0, 0.0, 0.0, 0.0, None), None, None, 49)
    difference = beyond_margin(plain, margin=0.03, n_groups=50)
    tolerances = Tolerances({"auroc.probe": 0.03})
    found = judge([Change("auroc.probe", 0.8, 0.8, 200, 50, difference)], tolerances)
    assert (found[0].verdict, found[0].detectable) == ("cannot tell", None)


@pytest.mark.parametrize(
    "gate", ["augrc.probe", "brier.probe", "ece.probe", "ece_stated.loaded_probe"]
)
def test_risk_and_calibration_error_regress_by_rising(gate):
    tolerances = Tolerances({gate: 0.02})
    assert judge([change(gate, 0.08, 0.02)], tolerances)[0].verdict == "regressed"
    assert judge([change(gate, -0.08, 0.02)], tolerances)[0].verdict == "improved"


def test_holm_counts_every_gate():
    one = change("accuracy", -0.064, 0.02)  # p = 0.028 of a change within the margin
    tolerances = Tolerances({"accuracy": 0.02, "auroc.probe": 0.02})
    same = change("auroc.probe", 0.0, 0.02)
    alone, beside = judge([one], tolerances)[0], judge([one, same], tolerances)[0]
    assert alone.verdict == "regressed"
    assert beside.verdict == "cannot tell"
    assert beside.p_value == pytest.approx(2 * alone.p_value)
    assert beside.detectable > alone.detectable > 0.02 + 2.8 * 0.02


def test_the_documented_defaults_are_read():
    tolerances = read_tolerances()
    assert tolerances.alpha == 0.05
    assert tolerances.margins["accuracy"] == 0.02
    assert tolerances.margins["auroc.self_consistency"] == 0.03
    kinds = {gate.partition(".")[0] for gate in tolerances.margins}
    assert kinds == {"accuracy", "robustness", "auroc", "augrc", "brier", "ece"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML"),
        ("alpha = " + "9" * 6000, "is not TOML"),
        ("margin = 1", "unknown key margin"),
        ("alpha = 2.0\n[margins]\naccuracy = 0.1", "alpha must be between 0 and 1, got 2.0"),
        ("n_resamples = 2000\n[margins]\naccuracy = 0.1", "unknown key n_resamples"),
        ("alpha = 0.05", "name no gate"),
        ("[margins]\naccuracy = -1", r"accuracy must be in \[0, 1\], got -1"),
        ("[margins.auroc]\nprob = 0.1", "auroc.prob is no gate .* of a declared signal"),
        (
            "[margins.ece_stated]\nprobe = 0.1",
            "margins.ece_stated.probe: probe states no probability; token_confidence, .* do",
        ),
        ("[margins]\nauroc = 0.1", "margins.auroc is no gate"),
        ("[margins]\naccuracy = true", r"accuracy must be in \[0, 1\], got True"),
    ],
)
def test_each_fault_of_a_tolerance_file_is_named(tmp_path, text, message):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(ToleranceError, match=message):
        read_tolerances(tmp_path / "t.toml")


def test_exit_codes_and_outputs(tmp_path, capsys):
    records = make_records(400)
    old = write_run(tmp_path / "old", records)
    new = write_run(tmp_path / "new", damaged(records, 0.3))
    (tmp_path / "t.toml").write_text("[margins]\naccuracy = 0.02\n")
    options = ["--tolerances", str(tmp_path / "t.toml")]
    assert main(["compare", str(old), str(old), *options]) == 0
    out = tmp_path / "report"
    assert main(["compare", str(old), str(new), *options, "-o", str(out)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Regressed: shapes/accuracy (gates: 1 regressed)"
    )
    assert json.loads((out / "compare.json").read_text())["has_regressed"] is True
    suite = ElementTree.fromstring((out / "compare.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    gate = json.loads((out / "compare.json").read_text())["gates"][0]
    assert (gate["n"], gate["n_groups"]) == (400, 100)
    assert "(400 answers, 100 images)" in suite[0][0].get("message")
    markdown = (out / "compare.md").read_text("utf-8")
    row = next(line for line in markdown.splitlines() if line.startswith("| accuracy |"))
    assert "| 400 | 100 | regressed |" in re.sub(r"\s+", " ", row)
    assert main(["compare", str(old), str(tmp_path / "none"), *options]) == 2
    assert "cannot compare" in capsys.readouterr().err


def test_strict_does_not_let_a_check_of_too_few_pass(tmp_path, capsys):
    few = write_run(tmp_path / "few", make_records(60))
    assert main(["compare", str(few), str(few)]) == 0
    assert main(["compare", str(few), str(few), "--strict"]) == 3
    assert "cannot tell" in capsys.readouterr().out.splitlines()[-1]
    records = make_records(400)
    old, new = (
        write_run(tmp_path / n, r) for n, r in (("a", records), ("b", damaged(records, 0.3)))
    )
    assert main(["compare", str(old), str(new), "--strict"]) == 1


def test_either_argument_may_be_a_folder_with_one_run_and_a_bad_one_is_named(tmp_path, capsys):
    run = write_run(tmp_path / "one" / "model" / "run", make_records(60))
    assert main(["compare", str(tmp_path / "one"), str(run)]) == 0
    capsys.readouterr()
    write_run(tmp_path / "two" / "a", make_records(60))
    write_run(tmp_path / "two" / "b", make_records(60))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "manifest.json").write_text("[]")
    for name, said in (
        ("none", "no run folder (with a manifest.json) at or below it."),
        ("two", f"holds 2 runs, name one: {tmp_path / 'two' / 'a'}, {tmp_path / 'two' / 'b'}."),
        ("bad", "manifest must be a JSON object, got list."),
    ):
        for arguments in ((tmp_path / name, run), (run, tmp_path / name)):
            assert main(["compare", *map(str, arguments)]) == 2
            which = "OLD" if arguments[0] != run else "NEW"
            expected = f"vrp-leaderboard: cannot compare: {which} ({tmp_path / name}): "
            line = capsys.readouterr().err
            assert line.startswith(expected)
            assert said in line


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("vrp-leaderboard ")
