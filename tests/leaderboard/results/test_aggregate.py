from dataclasses import replace

import numpy as np
import pytest

from leaderboard.report.contents import all_tables
from leaderboard.report.parts import SUMMARIES
from leaderboard.results.aggregate import build_board, evaluate_run
from leaderboard.results.profiles import layer_profiles
from leaderboard.results.workers import evaluate_paths
from leaderboard.runs.read import Problem, read_run, read_runs
from leaderboard.tables.formats import to_markdown
from metrics.card.of_records import card_of_records
from metrics.errors import RecordError
from tests.leaderboard.helpers.golden import make_records, write_run


def test_figures_are_those_of_card_of_records(tmp_path):
    records = make_records()
    run = read_run(write_run(tmp_path / "run", records))
    (result,) = evaluate_run(run).tasks
    expected = card_of_records(records, invalid={})
    assert result.card == expected
    assert result.is_mixed


def test_the_same_run_gives_the_same_figures_wherever_it_lies(tmp_path):
    first = evaluate_run(read_run(write_run(tmp_path / "a")))
    second = evaluate_run(read_run(write_run(tmp_path / "b" / "c")))
    assert first.tasks == second.tasks


def test_only_this_tasks_signals_are_invalid(tmp_path):
    records = make_records(80) + make_records(80, task="other")
    reason = "constant over the run"
    run = read_run(write_run(tmp_path / "run", records, invalid={"other:probe": reason}))
    shapes, other = evaluate_run(run).tasks
    assert {s.name: s.invalid for s in shapes.card.signals}["probe"] is None
    assert {s.name: s.invalid for s in other.card.signals}["probe"] == reason


def test_what_fitting_adds_comes_from_the_manifest(tmp_path):
    records = make_records()
    fit = {"repeats": 20, "stderr": 0.2, "stderr_within_kind": 0.1, "p": 0.01}
    run = read_run(write_run(tmp_path / "run", records, fits={"shapes:probe": fit, "x:probe": {
        "repeats": 20, "stderr": 9.0}}))  # fmt: skip
    (result,) = evaluate_run(run).tasks
    expected = card_of_records(records, invalid={}, fits={"probe": fit})
    assert result.card == expected
    probe = next(s for s in result.card.signals if s.name == "probe")
    assert probe.auroc.stderr > 0.2
    assert (probe.fit.p, probe.fit.stderr_within_answer) == (0.01, 0.2)


def test_one_class_is_undefined_with_a_reason(tmp_path):
    run = read_run(write_run(tmp_path / "run", make_records(all_correct=True)))
    (result,) = evaluate_run(run).tasks
    assert result.card.n_errors == 0
    for signal in result.card.signals:
        assert signal.auroc.value is None
        assert signal.auroc.reason or signal.invalid


def test_equal_model_names_are_told_apart_and_problems_kept(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name, make_records(40))
    write_run(tmp_path / "deep" / "a", make_records(40))
    (tmp_path / "x" / "parts").mkdir(parents=True)
    (tmp_path / "x" / "parts" / "run.json").write_text("{}")
    board = build_board(read_runs([tmp_path]))
    assert [run.label for run in board.runs] == [
        "tiny-llava (a)",
        "tiny-llava (b)",
        "tiny-llava (a) #2",
    ]
    assert [type(problem) for problem in board.problems] == [Problem]
    assert board.tasks == ("shapes",)


def test_runs_of_one_model_on_different_benchmarks_need_no_telling_apart(tmp_path):
    write_run(tmp_path / "a", make_records(40))
    write_run(tmp_path / "b", make_records(40, task="other"))
    board = build_board(read_runs([tmp_path]))
    assert [run.label for run in board.runs] == ["tiny-llava", "tiny-llava"]


def test_workers_give_the_figures_of_one_process_in_the_order_of_the_folders(tmp_path):
    for seed in range(3):
        write_run(tmp_path / str(seed), make_records(40, seed=seed), model={"name": f"m{seed}"})
    write_run(tmp_path / "x", schema_version=99)
    paths = [tmp_path, tmp_path / "absent"]
    told = []
    board = evaluate_paths(paths, n_workers=2, within=lambda *step: told.append(step))
    assert board == build_board(read_runs(paths))
    said = {what.partition(",")[0] for what, _, _ in told}  # how far each run is, from its process
    assert said == {"0", "1", "2"}


def test_profiles_are_means_per_class_over_the_log_of_the_grid():
    records = make_records(40)
    profile = layer_profiles(records)[0]
    rows = np.array([r.layers["spatial_entropy"] for r in records if r.correct]) / np.log(64)
    np.testing.assert_allclose(profile.right.values, rows.mean(axis=0), rtol=1e-12)
    assert profile.right.n + profile.wrong.n == 40
    assert layer_profiles(make_records(40, all_correct=True))[0].wrong is None


def test_layer_vectors_that_no_model_has_are_a_reason(tmp_path):
    huge = [replace(r, layers={"answer_margin": [1e308, -1e308]}) for r in make_records(40)]
    with pytest.raises(RecordError, match="a layer vector holds values beyond 1e"):
        layer_profiles(huge)
    odd = [
        replace(r, layers={
            "answer_margin": [0.0, 1.0, 2.0], "margin_from_mlp": [1.0, 1.0],
            "margin_from_attention": [1.0], "spatial_entropy": [-1.0, -2.0],
        })
        for r in make_records(40)
    ]  # fmt: skip
    write_run(tmp_path / "run", odd)
    text = "".join(map(to_markdown, all_tables(build_board(read_runs([tmp_path])))))
    assert "must be of length 2, one per sample, got length 1" in text


def test_content_that_no_run_writes_does_not_cost_the_others(tmp_path):
    write_run(tmp_path / "good")
    write_run(tmp_path / "odd", fits={"shapes:probe": {"stderr": 1e200, "repeats": 4}})
    board = evaluate_paths([tmp_path], n_workers=1)
    assert [run.path.name for run in board.runs] == ["good"]
    (problem,) = board.problems
    assert "fits.shapes:probe.stderr must be a number, got 1e+200" in problem.reason


def test_a_long_run_tells_how_far_it_is(tmp_path):
    write_run(tmp_path / "run")
    told = []
    evaluate_paths([tmp_path], within=lambda *step: told.append(step), summaries=SUMMARIES)
    ends = {what: (done, of) for what, done, of in told}
    assert list(ends) == [
        "run, records read", "run, shapes, signals", "run, shapes, what else is computed"
    ]  # fmt: skip
    assert all(done == of > 0 for done, of in ends.values())
