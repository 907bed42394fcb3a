"""Mistakes that lmms-eval's command line finds before a run begins: of ours, one line and a 1.

Beside them, commands without a task of ours, which end as they do without this package.
"""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from vrp_tasks.run import command
from vrp_tasks.run.command import asks_for_ours

OURS = "task: own\nmetadata: {vrp: {base: pope}}\n"
MIXED = "a run of stock, one of ours, and one of stock"
# files beside the command, what it asks for -> what is said; None: as stock
COMMANDS = {
    "limit below 0": ({}, ["--tasks", "vrp_shapes", "--limit", "-5"], "--limit must be -1 or"),
    "offset below 0": ({}, ["--tasks", "vrp_shapes", "--offset", "-1"], "--offset must be >= 0"),
    "one task that is none": ({}, ["--tasks", "vrp_shapes,nosuch"], "Tasks not found: nosuch."),
    "samples without a place": (
        {}, ["--tasks", "vrp_shapes", "--log_samples"], "Specify --output_path",
    ),
    "a YAML that is none": (
        {"a.yaml": OURS, "b.yaml": "task: other\nmetadata: {vrp: {\n"},
        ["--tasks", "own", "--include_path", "."],
        "b.yaml, line 3, is no YAML: expected the node content",
    ),
    "a function that is nowhere": (
        {"a.yaml": OURS + "doc_to_text: !function mine.ask\n"},
        ["--tasks", "own", "--include_path", "."],
        "Failed to import function 'ask' from module 'mine'",
    ),
    "a config that is no YAML": (
        {"run.yaml": "tasks: [vrp_shapes"}, ["--config", "run.yaml"], "run.yaml, line 1, is no YAML"
    ),
    "a config with another key": (
        {"run.yaml": "tasks: vrp_shapes\nlimits: 3"},
        ["--config", "run.yaml"],
        "Unknown keys in config file: ['limits']",
    ),
    "stock: limit below 0": ({}, ["--tasks", "pope", "--limit", "-5"], None),
    MIXED: (
        {
            "run.yaml": "- {tasks: pope, limit: -5}\n- {tasks: vrp_shapes, limit: -5}\n"
            "- {tasks: mme, limit: -7}\n"
        },
        ["--config", "run.yaml"],
        "--limit must be -1 or",
    ),
    "stock: a task that is none, beside ours": (
        {"a.yaml": OURS}, ["--tasks", "nosuch", "--include_path", "."], None
    ),
}  # fmt: skip
ALL = """
import contextlib, io, json, os, sys
from lmms_eval.__main__ import TaskManager
from lmms_eval.cli.dispatch import main
stock, known = TaskManager._get_task_and_group, {}
def once(self, folder):  # reading every YAML of lmms-eval takes seconds
    if folder == "." or folder not in known:
        known[folder] = stock(self, folder)
    return known[folder]
TaskManager._get_task_and_group = once
for name, (folder, argv) in json.loads(sys.argv[1]).items():
    os.chdir(folder)
    sys.argv = ["lmms-eval", "--model", "qwen2_vl", *argv]
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
    sys.stdout.write(json.dumps([name, code, said.getvalue()]) + "\\n")
"""


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """How each command ends: code, what it said on stderr."""
    asked = {}
    for number, (name, (files, argv, _)) in enumerate(COMMANDS.items()):
        folder = tmp_path_factory.mktemp(f"command-{number}")
        for file, text in files.items():
            (folder / file).write_text(text)
        asked[name] = str(folder), argv
    done = subprocess.run(
        [sys.executable, "-c", ALL, json.dumps(asked)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(COMMANDS), done.stderr
    return {name: (code, said) for name, code, said in lines}


@pytest.mark.parametrize(
    "name", [name for name, own in COMMANDS.items() if own[2] and name != MIXED]
)
def test_a_mistake_before_the_run_is_one_line(name, ends):
    code, said = ends[name]
    assert isinstance(code, str)  # which Python prints, and exits with 1
    assert code.startswith("vrp-tasks: ")
    assert COMMANDS[name][2] in code
    assert "\n" not in code
    assert "Traceback" not in said


@pytest.mark.parametrize("name", [name for name, own in COMMANDS.items() if own[2] is None])
def test_a_command_without_a_task_of_ours_ends_as_in_stock(name, ends):
    code, said = ends[name]
    assert code == 0
    assert "Traceback" in said
    assert "vrp-tasks" not in said


def test_of_a_config_each_run_is_run_and_one_of_ours_that_failed_is_its_exit_code(ends):
    code, said = ends[MIXED]
    assert code == 1
    (line,) = (line for line in said.splitlines() if line.startswith("vrp-tasks: "))
    assert line.startswith("vrp-tasks: the run failed, ValueError: --limit must be -1")
    assert said.count("Traceback") == 2  # of the first run and the last, by lmms-eval
    assert said.index(line) < said.rindex("Traceback")


def test_of_several_ranks_none_goes_on_to_the_next_run_alone(monkeypatch):
    cli = Namespace(tasks="vrp_pope", include_path=None, config="a.yaml", verbosity="INFO")
    runs = []

    def failing(args):
        runs.append(args.tasks)
        raise ValueError("one of them")

    module = SimpleNamespace(parse_eval_args=lambda: (None, cli), cli_evaluate_single=failing)

    def cli_evaluate(args=None):
        for _ in range(2):
            module.cli_evaluate_single(cli)

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit, match="one of them"):
        command.run_command(module, cli_evaluate, (), {})
    assert runs == ["vrp_pope"]
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(SystemExit, match="1"):
        command.run_command(module, cli_evaluate, (), {})
    assert runs == ["vrp_pope"] * 3


@pytest.mark.parametrize(
    ("tasks", "is_ours"),
    [("vrp_pope,mme", True), ("own", True), ("ow*", True), ("a.yaml", True), ("several", True),
     ("stock", False), ("owned", False), ("mme", False), (None, False)],
)  # fmt: skip
def test_whose_a_command_is_is_read_off_names_and_texts(tasks, is_ours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(OURS)
    Path("b.yaml").write_text("group: several\ntask: [vrp_pope, mme]\n")
    Path("c.yaml").write_text("task: stock\ndataset_path: nowhere\n")
    assert asks_for_ours(Namespace(tasks=tasks, include_path=".")) is is_ours


def test_nothing_is_looked_for_where_nothing_goes_wrong(monkeypatch):
    monkeypatch.setattr(command, "asks_for_ours", lambda cli: pytest.fail("it was looked for"))
    cli = Namespace(tasks="mme", include_path="/", config="", verbosity="INFO")
    module = SimpleNamespace(
        parse_eval_args=lambda: (None, cli), cli_evaluate_single=lambda args: args.tasks
    )

    def cli_evaluate(args=None):
        return module.cli_evaluate_single(cli)

    stock = module.cli_evaluate_single
    assert command.run_command(module, cli_evaluate, (), {}) == "mme"
    assert module.cli_evaluate_single is stock
