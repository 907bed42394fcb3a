"""The table of mistakes at the front door: each is one line that says what to do, and an exit code.

A run exits with 1, ``vrp-leaderboard`` with 2 (1 means "regressed" there).
"""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import lmms_eval.evaluator as evaluator  # here: it builds torch modules when imported
import pytest
import torch
from lmms_eval.tasks import TaskManager

from leaderboard.cli import main
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS
from vrp_tasks import whole_files
from vrp_tasks.registration import TASKS_FOLDER

MODEL = f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'}"

# what is asked otherwise -> what is said; the model is never built
RUNS = {
    "misspelt model argument": (
        {"model_args": f"{MODEL},min_pixls=3"},
        "unknown model argument 'min_pixls'. Did you mean min_pixels? --model qwen2_vl takes ",
    ),
    "misspelt setting": (
        {"model_args": f"{MODEL},subsett=5"},
        "unknown model argument 'subsett'. Did you mean subset?",
    ),
    "a setting by its name in transformers": (
        {"model_args": f"{MODEL},temperature=0.5"},
        "unknown model argument 'temperature'. Did you mean sample_temperature?",
    ),
    "a path instead of arguments": (
        {"model_args": "checkpoints/mine"},
        "--model_args: 'checkpoints/mine' is no name=value. For a checkpoint write pretrained=",
    ),
    "gen_kwargs without a value": (
        {"gen_kwargs": "until=1,foo"},
        "--gen_kwargs: 'foo' is no name=value",
    ),
    "batch size auto": ({"batch_size": "auto"}, "--batch_size auto: .* Give --batch_size 1"),
    "batch size 0": ({"batch_size": 0}, "--batch_size 0: --model qwen2_vl takes a whole number"),
    "limit 0": ({"limit": 0}, "--limit 0 leaves no sample. Leave it out for all"),
    "limit below 0": ({"limit": -5}, "--limit -5: give a number of samples, or -1 for all"),
    "offset below 0": ({"offset": -1}, "--offset -1: give a number of samples to skip"),
    "few-shot examples": ({"num_fewshot": 3}, "--num_fewshot 3: .* Leave it out"),
    "a chat template": (
        {"apply_chat_template": True},
        "--apply_chat_template: Qwen2_VL has none to apply; .* Leave it out",
    ),
    "a limit and a subset": (
        {"model_args": f"{MODEL},subset=5", "limit": 3},
        "--limit and --offset take the first rows, subset a fair part; give one of the two",
    ),
    "a dtype that is none": (
        {"model": "vrp_hf", "model_args": f"{MODEL},dtype=float17"},
        "dtype=float17 is no type of torch. Use auto, bfloat16",
    ),
    "a device that is none": (
        {"model_args": f"{MODEL},device=gpu0"},
        "device=gpu0 is no device of torch. Use cpu, cuda",
    ),
    "a model that is none": (
        {"model": "qwen2vl"},
        "--model qwen2vl cannot be loaded: .* Did you mean qwen2_vl?",
    ),
    "another model's checkpoint": (
        {"model": "llava_hf"},
        "is a 'qwen2_vl' checkpoint, --model llava_hf takes .* Use --model qwen2_vl",
    ),
    "a checkpoint that is nowhere": (
        {"model_args": "pretrained=./nowhere"},
        "pretrained=./nowhere is not a folder. Check the path, or give a hub id",
    ),
    "an access that is none": (
        {"model_args": f"{MODEL},access=white"},
        "access must be one of auto, transformers, vllm, openai, text, got 'white'",
    ),
    "a server's access without a server": (
        {"model_args": f"{MODEL},access=openai"},
        "access=openai cannot be had through --model qwen2_vl; it is for servers: --model openai",
    ),
    "K below 2": ({"model_args": f"{MODEL},k=1"}, "k must be at least 2 .*, got 1"),
    "K that is no whole number": (
        {"model_args": f"{MODEL},k=2.5"},
        "k must be a whole number, got 2.5",
    ),
    "hidden states as integers": (
        {"model_args": f"{MODEL},hidden_dtype=int4"},
        "hidden_dtype must be float16, float32 or none, got 'int4'",
    ),
    "a probe folder that is nowhere": (
        {"model_args": f"{MODEL},probe=./nowhere"},
        "probe=nowhere: no saved probe .* there",
    ),
    "a checkpoint's folder as a probe": (
        {"model_args": f"{MODEL},probe={CHECKPOINTS / 'vrp-tiny-qwen2-vl'}"},
        "no saved probe (probe-<task>.json) there",
    ),
    "a task that is none": (
        {"tasks": "vrp_nosuch"},
        "task vrp_nosuch: lmms-eval has no task 'nosuch'. lmms-eval --tasks list names all",
    ),
    "a suffix that is none": (
        {"tasks": "vrp_shapes_robustnes"},
        "lmms-eval has no task 'shapes_robustnes'. Close: vrp_shapes_robustness",
    ),
    "data that is not made": (
        {"tasks": "vrp_counting"},
        "vrp_counting has no data at .* Make it once .*: python -m vrp_tasks.tasks.coco build",
    ),
    "an output folder that is none": (
        {"output": "/dev/null/out"},
        "cannot write to the output folder /dev/null/out: .* Choose another --output_path",
    ),
}

# files of a checkpoint that are taken away, or cut -> what is said
CHECKPOINT_FILES = {
    "no config": ("config.json", None, "no readable checkpoint config there"),
    "config that is no JSON": ("config.json", b"{", "no readable checkpoint config there"),
    "no processor": (
        "processor_config.json",
        None,
        "has no image processor (processor_config.json",
    ),
    "no tokenizer": ("tokenizer*", None, "has no tokenizer (tokenizer.json, "),
    "no weights": ("model.safetensors", None, "has no weights (model.safetensors, or an index "),
    "weights cut short": ("model.safetensors", b"\0" * 64, "model.safetensors is damaged or cut "),
    "a shard that is missing": (
        "model.safetensors.index.json",
        json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}).encode(),
        "names model-00002-of-00002.safetensors, which is not there",
    ),
}

# arguments of vrp-leaderboard, in the folder that `runs` makes -> what is said
LEADERBOARD = {
    "no command": ((), "the following arguments are required: COMMAND"),
    "a command that is none": (("bild", "run"), "invalid choice: 'bild' (choose from 'build', "),
    "build: no folder": (("build",), "the following arguments are required: RUNS"),
    "build: nowhere": (("build", "nowhere"), "nowhere: absent: no such file or folder"),
    "build: no run there": (("build", "empty"), "no run folder (with a manifest.json) at or below"),
    "build: a later schema": (
        ("build", "later"),
        "later: damaged: manifest has schema_version 99, this version reads .* Run the model again",
    ),
    "build: a manifest cut short": (("build", "cut"), "cut: damaged: manifest.json is not JSON"),
    "build: no records": (("build", "norecords"), "the file records.parquet, .*, is missing"),
    "build: records of another run": (("build", "other_bytes"), "records.parquet has 4 bytes; the"),
    "build: output is a file": (
        ("build", "run", "-o", "file"),
        "cannot write file: File exists. Choose another -o",
    ),
    "show: nowhere": (("show", "nowhere"), "nowhere: absent: no such file or folder"),
    "show: a file": (("show", "file"), "no run folder (with a manifest.json) at or below file"),
    "compare: one run": (("compare", "run"), "the following arguments are required: NEW"),
    "compare: no old run": (("compare", "nowhere", "run"), "OLD (nowhere): no run folder"),
    "compare: two new runs": (
        ("compare", "run", "two"),
        "NEW (two): holds 2 runs, name one: two/a, two/b",
    ),
    "compare: a damaged run": (
        ("compare", "run", "other_bytes"),
        "NEW (other_bytes): records.parquet has 4 bytes",
    ),
    "compare: other tasks": (
        ("compare", "run", "squares"),
        "no task in common: OLD has shapes, NEW squares",
    ),
    "compare: other settings": (
        ("compare", "run", "fewer"),
        "the runs differ in k (10 and 5). --allow-different compares them anyway",
    ),
    "compare: no tolerances": (
        ("compare", "run", "run", "--tolerances", "none.toml"),
        "--tolerances none.toml cannot be read: No such file",
    ),
    "compare: tolerances that are no TOML": (
        ("compare", "run", "run", "--tolerances", "file"),
        "--tolerances file is not TOML",
    ),
    "compare: a gate that is none": (
        ("compare", "run", "run", "--tolerances", "gate.toml"),
        "acuracy",
    ),
    "rescore: nowhere": (("rescore", "nowhere"), "nowhere has no manifest.json: it is no complete"),
    "rescore: two runs": (("rescore", "two"), "two has no manifest.json: it is no complete run"),
    "rescore: output is in use": (
        ("rescore", "run", "-o", "two"),
        "two exists and is not an empty folder; choose another one (-o)",
    ),
}


def test_the_table_is_as_long_as_it_was():
    assert len(RUNS) + len(CHECKPOINT_FILES) + len(LEADERBOARD) >= 37


@pytest.fixture(scope="module")
def manager():
    return TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False)


def run(manager, output, *, tasks="vrp_shapes", **asked):
    asked = {"model": "qwen2_vl", "model_args": MODEL, "batch_size": 1, **asked}
    with pytest.raises(SystemExit) as stopped:
        evaluator.simple_evaluate(
            tasks=[tasks],
            task_manager=manager,
            cli_args=Namespace(output_path=str(output), verbosity="INFO", process_with_media=False),
            **asked,
        )
    return stopped.value.code


def said_in(said, words):
    """Words as they are, and as a pattern."""
    return words in said or re.search(words, said) is not None


def is_one_line(said, words):
    assert isinstance(said, str)  # which Python prints, and exits with 1
    assert said.startswith("vrp-tasks: ")
    assert said_in(said, words), said
    assert "\n" not in said
    assert "Traceback" not in said
    return True


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_: pytest.fail("a model was built"))


@pytest.mark.parametrize(("asked", "words"), RUNS.values(), ids=RUNS)
@pytest.mark.usefixtures("no_model")
def test_a_mistake_in_a_command_is_one_line(asked, words, tmp_path, manager, monkeypatch):
    monkeypatch.setenv("VRP_COCO", str(tmp_path))
    asked = dict(asked)
    output = asked.pop("output", tmp_path / "out")
    assert is_one_line(run(manager, output, **asked), words)


@pytest.mark.parametrize(
    ("files", "content", "words"), CHECKPOINT_FILES.values(), ids=CHECKPOINT_FILES
)
@pytest.mark.usefixtures("no_model")
def test_a_checkpoint_that_is_not_whole_is_one_line(files, content, words, tmp_path, manager):
    folder = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINTS / "vrp-tiny-qwen2-vl", folder)
    for path in [*folder.glob(files)]:
        path.unlink()
    if content is not None:
        (folder / files).write_bytes(content)
    said = run(manager, tmp_path / "out", model_args=f"pretrained={folder}")
    assert is_one_line(said, words)
    assert f"pretrained={folder}" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.usefixtures("no_model")
def test_a_device_that_is_not_there_is_one_line(tmp_path, manager):
    said = run(manager, tmp_path, model_args=f"{MODEL},device=cuda:0")
    assert is_one_line(
        said, "device=cuda:0: torch finds no CUDA device .* Leave it out, or use cpu"
    )


def test_an_offset_beyond_the_data_is_one_line(tmp_path, manager):
    said = run(manager, tmp_path, offset=10**6, limit=2)
    assert is_one_line(said, "leave none of its 2527 documents. Give a smaller --offset")


def test_a_full_disk_is_one_line(tmp_path, manager, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "shard")

    monkeypatch.setattr(whole_files, "save_file", full)
    said = run(manager, tmp_path, limit=2, model_args=f"{MODEL},k=0", bootstrap_iters=0)
    assert is_one_line(said, "no space left on device .* Make room, or give an --output_path")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of which few are as they should be."""
    folder = tmp_path_factory.mktemp("runs")
    few = make_records(80)
    for name in ("run", "norecords", "other_bytes", "two/a", "two/b"):
        write_run(folder / name, few)
    write_run(folder / "later", few, schema_version=99)
    write_run(folder / "squares", make_records(80, task="squares"))
    write_run(folder / "fewer", few, settings={"k": 5, "temperature": 0.7, "top_p": 0.9, "seed": 0})
    (folder / "norecords" / "records.parquet").unlink()
    (folder / "other_bytes" / "records.parquet").write_bytes(b"PAR1")
    for name in ("empty", "cut"):
        (folder / name).mkdir()
    (folder / "cut" / "manifest.json").write_text("{")
    (folder / "file").write_text("x")
    (folder / "gate.toml").write_text("[margins]\nacuracy = 0.1\n")
    return folder


@pytest.mark.parametrize(("arguments", "words"), LEADERBOARD.values(), ids=LEADERBOARD)
def test_a_mistake_in_the_leaderboard_is_one_line(arguments, words, runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    try:
        code = main(arguments)
    except SystemExit as stopped:  # argparse, with its usage above the line
        code = stopped.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    *usage, said = captured.err.splitlines()
    assert not usage or usage[0].startswith("usage: ")
    assert said.startswith("vrp-leaderboard")
    assert said_in(said, words), said


def test_the_exit_code_of_the_process_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", "--model", "qwen2_vl", "--tasks", "vrp_shapes",
         "--model_args", f"{MODEL},min_pixls=3", "--output_path", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("vrp-tasks: unknown model argument 'min_pixls'")
    assert "Traceback" not in done.stderr
