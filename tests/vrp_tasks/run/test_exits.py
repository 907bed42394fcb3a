"""How a run ends early: one line, an exit code, and what was answered is kept."""

import os
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
