"""The recipes of CONTRIBUTING.md are diffs of this tree: they apply, and what they add is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Five recipes")[1]
RECIPES = {
    title: re.findall(r"^```diff\n(.*?)^```", body, flags=re.S | re.M)
    for title, body in re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", TEXT, flags=re.S | re.M)
}
ADDED = """
from leaderboard.report.parts import PARTS
from metrics.card.statistics import STATISTICS
from metrics.signals import BY_NAME
from vrp_tasks.access import LEVELS
from vrp_tasks.families import FAMILIES
from vrp_tasks.interventions.kinds import INTERVENTIONS
assert "qwen2_5_vl" in FAMILIES
assert BY_NAME["answer_length"].compute is not None
assert STATISTICS[-1].key == "lowest_tenth_accuracy"
assert PARTS[-1].summary is not None
assert LEVELS[-1].level == "answers"
assert "bypass_layer" in INTERVENTIONS
print("added")
"""


def apply(diff, folder):
    return subprocess.run(
        ["git", "apply", "-"],
        input=diff,
        cwd=folder,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path):
    """A copy of the packages, without the checkpoints."""
    folder = tmp_path / "copy"
    skipped = shutil.ignore_patterns("checkpoints", "__pycache__")
    for package in ("leaderboard", "metrics", "vrp_tasks"):
        shutil.copytree(ROOT / package, folder / package, ignore=skipped)
    return folder


def test_there_are_five_recipes_and_one_more():
    kinds = ("family", "signal", "statistic", "table", "access level", "intervention")
    assert len(RECIPES) == len(kinds)
    assert all(kind in title for kind, title in zip(kinds, RECIPES, strict=True))
    assert all(len(diffs) == 1 for diffs in RECIPES.values())


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_recipes_apply_and_what_they_add_is_there(tree):
    for title, (diff,) in RECIPES.items():
        applied = apply(diff, tree)
        assert applied.returncode == 0, f"renew the recipe {title!r}: {applied.stderr}"
    ran = subprocess.run(
        [sys.executable, "-c", ADDED],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "added\n", ran.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_recipe_of_another_tree_is_noticed(tree):
    (diff,) = RECIPES["A signal"]
    assert apply(diff.replace("     consistency,", "     gone,"), tree).returncode != 0
    assert apply(diff, tree).returncode == 0
