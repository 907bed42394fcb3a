"""How a run ends early: one line, an exit code, and what was answered is kept."""

import os
import shutil
import signal
from argparse import Namespace

import lmms_eval.evaluator as evaluator  # here: it builds torch modules when imported
import pytest
from lmms_eval.tasks import TaskManager
from loguru import logger

from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.run import answering

ARGUMENTS = f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'},k=0,hidden_dtype=none"


def run(output, *, verbosity="INFO", limit=8, tasks="vrp_shapes", arguments=ARGUMENTS):
    return evaluator.simple_evaluate(
        model="qwen2_vl",
        model_args=arguments,
        tasks=[tasks],
        limit=limit,
        batch_size=1,
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False),
        cli_args=Namespace(output_path=output, verbosity=verbosity, process_with_media=False),
    )


def ended_by(monkeypatch, end, *, after=4):
    """Make the observation of a document end so, once as many are answered; slices are of four."""
    monkeypatch.setattr(answering, "_SLICE", 4)
    stock, seen = TransformersAccess.observe, []

    def observe(self, asked):
        seen.append(None)
        if len(seen) > after:
            end()
        return stock(self, asked)

    monkeypatch.setattr(TransformersAccess, "observe", observe)


def fail():
    raise RuntimeError("CUDA error: device-side assert triggered\nand more")


def test_what_ends_a_run_is_one_line_and_exit_code_1(tmp_path, monkeypatch):
    ended_by(monkeypatch, fail)
    with pytest.raises(SystemExit) as stopped:
        run(str(tmp_path))
    said = stopped.value.code
    assert said.startswith(
        "vrp-tasks: the run failed, RuntimeError: CUDA error: device-side assert triggered. "
        "--verbosity DEBUG shows where. What was answered so far is in "
    )
    assert said.endswith("; the same command goes on from there.")
    assert "\n" not in said
    (left,) = tmp_path.glob("*/*_vrp/parts")
    assert str(left.parent) in said


def test_the_error_itself_is_shown_where_it_is_asked_for(tmp_path, monkeypatch):
    ended_by(monkeypatch, fail, after=0)
    with pytest.raises(RuntimeError, match="device-side assert"):
        run(str(tmp_path), verbosity="DEBUG")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_says_that_the_same_command_goes_on(number, tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    # as Python does at its start, unless a shell started it in the background
    interrupts = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended_by(monkeypatch, lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as stopped:
        run(str(tmp_path))
    signal.signal(signal.SIGINT, interrupts)
    assert stopped.value.code == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("vrp-tasks: stopped. What was answered so far is in ")
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.undo()
    run(str(tmp_path))
    (manifest,) = tmp_path.glob("*/*_vrp/manifest.json")
    assert str(manifest.parent) in said


def fill_the_disk(output, name):
    """Every write of one file from now on fails as on a full disk."""
    (here,) = output.glob("*/*_vrp/")
    path = next(iter(here.glob("parts/1"))) / name if name.endswith("jsonl") else here / name
    partial = path.with_name(f"{path.name}.partial")
    if not partial.is_symlink():
        partial.symlink_to("/dev/full")


@pytest.mark.parametrize("name", ["0-1.jsonl", "records.parquet"])
def test_a_full_disk_is_one_line_and_what_was_written_is_gone_on_with(name, tmp_path, monkeypatch):
    ended_by(monkeypatch, lambda: fill_the_disk(tmp_path, name))
    with pytest.raises(SystemExit) as stopped:
        run(str(tmp_path))
    (left,) = tmp_path.glob("*/*_vrp")
    code = stopped.value.code
    assert code.startswith("vrp-tasks: the run failed, no space left on device (")
    assert code.endswith(f"answered so far is in {left}; the same command goes on from there.")
    assert "\n" not in code
    monkeypatch.undo()
    for partial in left.rglob("*.partial"):  # there is room again
        partial.unlink()
    said = []
    handler = logger.add(said.append, format="{message}", level="INFO")
    run(str(tmp_path))
    logger.remove(handler)
    n_kept = 4 if name.endswith("jsonl") else 8
    assert f"vrp_shapes: resuming, {n_kept} of 8 samples are there.\n" in said
    assert [path.parent for path in tmp_path.glob("*/*_vrp/manifest.json")] == [left]


def test_a_folder_that_is_removed_is_one_line(tmp_path, monkeypatch):
    ended_by(monkeypatch, lambda: shutil.rmtree(next(tmp_path.glob("*/*_vrp"))))
    with pytest.raises(SystemExit) as stopped:
        run(str(tmp_path))
    assert "was removed while the run wrote to it" in stopped.value.code
    assert "\n" not in stopped.value.code
    monkeypatch.undo()
    run(str(tmp_path))
    assert len(list(tmp_path.glob("*/*_vrp/manifest.json"))) == 1


def test_a_stop_before_the_first_answer_says_so(tmp_path, monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    ended_by(monkeypatch, interrupt, after=0)
    with pytest.raises(SystemExit) as stopped:
        run(str(tmp_path))
    assert stopped.value.code == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "vrp-tasks: stopped. Nothing was answered yet."


def test_an_output_path_may_hold_commas_and_equals_signs(tmp_path):
    output = tmp_path / "a,b=c, d"
    run(str(output), limit=4)
    assert len(list(output.glob("*/*_vrp/manifest.json"))) == 1


def test_without_an_output_path_records_go_to_a_folder_here(tmp_path, monkeypatch):
    said = []
    handler = logger.add(said.append, format="{message}", level="INFO")
    monkeypatch.chdir(tmp_path)
    run(None, limit=4)
    logger.remove(handler)
    assert list(tmp_path.glob("vrp_runs/*/*_vrp/manifest.json"))
    lines = [line.rstrip("\n") for line in said]
    assert "Reliability records go to ./vrp_runs; --output_path says where else." in lines
    assert "Next: vrp-leaderboard build vrp_runs" in lines
