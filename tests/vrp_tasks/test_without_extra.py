"""Where what runs models is not installed: one line that names the extra, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vrp_tasks import registration
from vrp_tasks.errors import SetupError, without_extra
from vrp_tasks.run import preflight

ROOT = Path(__file__).parents[2]
ADVICE = "Install what runs models: pip install 'vrp-tasks[probe]'."


def without(package, tmp_path, *command):
    """Run Python where a package is not installed."""
    absent = f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
    (tmp_path / f"{package}.py").write_text(absent)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    return subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["yaml", "lmms_eval", "loguru"])
def test_attaching_a_task(package, tmp_path):
    ran = without(package, tmp_path, "-m", "vrp_tasks.attach", "pope", "--score", "pope_accuracy")
    assert ran.stderr == f"vrp-tasks: {package} is not installed. {ADVICE}\n"
    assert ran.returncode == 1


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_training_a_shipped_model(package, tmp_path):
    ran = without(package, tmp_path, "-m", "vrp_tasks.tiny.training", "--family", "llava")
    assert ran.stderr == f"vrp-tasks: {package} is not installed. {ADVICE}\n"
    assert ran.returncode == 1


def test_the_entry_point(tmp_path):
    code = "from vrp_tasks.registration import manifests; print(manifests())"
    ran = without("lmms_eval", tmp_path, "-c", code)
    assert ran.stdout == "[]\n"
    assert ran.stderr.endswith(f"are missing: lmms_eval is not installed. {ADVICE}\n")
    assert ran.stderr.count("\n") == 1


def test_a_run_of_our_tasks_says_so_and_stock_tasks_run():
    def stock(model, tasks=None):
        return f"ran {tasks}"

    around = lambda tasks: registration._without_extra(  # noqa: E731
        ModuleNotFoundError("No module named 'torch'", name="torch"), None, stock, ("m", tasks), {}
    )
    with pytest.raises(SystemExit) as stop:
        around(["mme", "vrp_pope"])
    assert stop.value.code == f"vrp-tasks: vrp_pope cannot be run: torch is not installed. {ADVICE}"
    assert around(["mme"]) == "ran ['mme']"


@pytest.mark.parametrize(("model", "advised"), [("qwen2_vl", True), ("vllm", False)])
def test_a_stock_adapter_that_lacks_a_package(monkeypatch, model, advised):
    import lmms_eval.models

    def get_model(name):
        raise ModuleNotFoundError("No module named 'decord'", name="decord")

    monkeypatch.setattr(lmms_eval.models, "get_model", get_model)
    with pytest.raises(SetupError, match=f"--model {model} cannot be loaded: .*decord") as refused:
        preflight.adapter_class(model)
    assert (ADVICE in str(refused.value)) == advised


def test_a_version_that_lacks_a_name_is_quoted():
    error = ImportError("cannot import name 'A' from 'b' (unknown\nlocation)", name="b")
    quoted = "cannot import name 'A' from 'b' (unknown location)"
    assert without_extra(error) == f"{quoted}. {ADVICE}"
