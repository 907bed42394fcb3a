"""Benchmarks are run by hand, so nothing else would notice that one no longer imports."""

import importlib
import pkgutil

import pytest
import torch

import benchmarks
from benchmarks import long_run
from leaderboard.runs.read import read_runs

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_imports(name):
    importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "published"),  # parameters, by the safetensors headers of the checkpoints
    [
        ("llava-1.5-7b", 7.06e9),
        ("paligemma-3b", 2.923e9),
        ("qwen2-vl-7b", 8.29e9),
        ("qwen3-vl-8b", 8.77e9),
        ("internvl3-8b", 7.94e9),
    ],
)
def test_models_of_full_size_have_the_published_number_of_parameters(name, published):
    full_size = importlib.import_module("benchmarks.full_size")
    model = full_size.empty(name, dtype=torch.bfloat16, device="meta")
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(published, rel=1e-3)


def test_the_long_run_goes_through_the_session_of_today(tmp_path, capsys):
    """It uses what nobody else calls from outside, so an import alone proves nothing."""
    long_run._run(tmp_path, 100, 0)
    stages = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert stages == ["answers", "scoring", "writing"]
    (run,) = read_runs([tmp_path])
    assert len(run.records) == 100
