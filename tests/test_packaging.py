"""What is in the tree is in the wheel: `pyproject.toml` names every file that is not Python."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("leaderboard", "metrics", "vrp_tasks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SHIPPED = PROJECT["tool"]["setuptools"]["package-data"]


def files(package):
    found = (ROOT / package).rglob("*")
    return {p for p in found if p.is_file() and "__pycache__" not in p.parts}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_shipped(package):
    python = {path for path in files(package) if path.suffix == ".py"}
    shipped = {p for pattern in SHIPPED.get(package, ()) for p in (ROOT / package).glob(pattern)}
    for folder in {path.parent for path in python}:
        shipped |= {p for pattern in SHIPPED["*"] for p in folder.glob(pattern)}
    left_out = files(package) - python - shipped
    assert sorted(str(path.relative_to(ROOT)) for path in left_out) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_python_is_a_package(package):
    folders = {path.parent for path in files(package) if path.suffix == ".py"}
    inner = {f for folder in folders for f in (folder, *folder.parents) if f.is_relative_to(ROOT)}
    assert [f for f in inner - {ROOT} if not (f / "__init__.py").is_file()] == []


def test_the_matrix_begins_where_the_range_of_transformers_does():
    probe = PROJECT["project"]["optional-dependencies"]["probe"]
    (wanted,) = (r for r in map(Requirement, probe) if r.name == "transformers")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    ends = dict(re.findall(r"^(LOWEST|NEWEST) := (\S+)$", makefile, flags=re.M))
    assert f">={ends['LOWEST']}" in str(wanted.specifier).split(",")
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    (pinned,) = re.findall(r"^transformers==(\S+)$", pins, flags=re.M)
    assert Version(pinned) <= Version(ends["NEWEST"])
    assert ends["NEWEST"] in wanted.specifier
    assert "test-matrix" not in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_reader_needs_nothing_that_runs_models():
    names = [line.split(">")[0] for line in PROJECT["project"]["dependencies"]]
    assert not {"torch", "torchvision", "transformers", "lmms-eval", "datasets"} & set(names)
