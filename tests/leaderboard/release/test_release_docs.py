"""What the documentation of the release check shows is what there is."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from leaderboard.cli import main
from leaderboard.release.compare import SAMPLING
from leaderboard.release.tolerances import PLAIN_GATES, SIGNAL_GATES

TEXT = (Path(__file__).parents[3] / "docs" / "release_check.md").read_text("utf-8")


def block(name: str, language: str) -> str:
    inside = TEXT.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0]
    return inside.split(f"```{language}\n")[1].split("```")[0]


def test_the_tolerances_shown_are_the_defaults():
    default = files("leaderboard").joinpath("templates/tolerances.toml").read_text("utf-8")
    assert block("tolerances", "toml").strip() == default.strip()
    assert tomllib.loads(default)["margins"]["accuracy"] == 0.02


def test_every_gate_is_described():
    named = [f"`{gate}`" for gate in PLAIN_GATES] + [f"`{kind}.<signal>`" for kind in SIGNAL_GATES]
    assert [gate for gate in named if gate not in TEXT] == []


def test_the_workflow_is_yaml_and_calls_what_exists(capsys):
    workflow = yaml.safe_load(block("workflow", "yaml"))
    (job,) = workflow["jobs"].values()
    assert {"name", "jobs"} <= set(workflow)
    assert all("run" in step or "uses" in step for step in job["steps"])
    (command,) = [
        line
        for step in job["steps"]
        for line in step.get("run", "").splitlines()
        if "vrp-leaderboard" in line
    ]
    words = command.split()
    assert words[:2] == ["vrp-leaderboard", "compare"]
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--help"])
    assert stop.value.code == 0
    usage = capsys.readouterr().out
    assert all(word in usage for word in words if word.startswith("-"))


def test_what_is_refused_is_listed():
    words = {"k": "number of samples", "temperature": "temperature", "top_p": "top-p"}
    words |= {"top_k": "top-k", "seed": "seed"}
    assert all(words[name] in TEXT for name in SAMPLING)


def test_the_workflow_installs_this_package_and_stops_where_no_run_was_completed():
    (job,) = yaml.safe_load(block("workflow", "yaml"))["jobs"].values()
    steps = [step.get("run", "") for step in job["steps"]]
    (install,) = [step for step in steps if "pip install" in step]
    assert "vrp-tasks[probe]" in install
    assert "'.[" not in install  # the checkout is the user's
    made = next(i for i, step in enumerate(steps) if "lmms-eval" in step)
    assert steps[made + 1] == "find candidate -name manifest.json | grep ."
