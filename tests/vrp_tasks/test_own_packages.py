"""In a folder with a ``metrics`` of its own: stock runs as ever, and so do we."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.leaderboard.helpers.golden import make_records, write_run
from tests.vrp_tasks.helpers.evaluation import CHECKPOINTS

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
SCRIPT = """
import sys
from {module} import {function}
if __name__ == "__main__":
    sys.exit({function}())
"""
MODEL = f"pretrained={CHECKPOINTS / 'vrp-tiny-qwen2-vl'},device_map=cpu,device=cpu"
TASK = """
task: their_own
dataset_path: json
dataset_kwargs: {data_files: {test: data.json}}
test_split: test
output_type: generate_until
doc_to_visual: !function helpers.visual
doc_to_text: "{{question}}"
doc_to_target: red
generation_kwargs: {max_new_tokens: 4}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""
HELPERS = """
from PIL import Image
from metrics import colour, __file__ as found

def visual(doc):
    print("their metrics:", found)
    return [Image.new("RGB", (32, 32), colour)]
"""


@pytest.fixture
def repository(tmp_path):
    """A research repository, with modules of our names and a task that imports them."""
    (tmp_path / "metrics.py").write_text("colour = 'red'\n")
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard" / "__init__.py").write_text("raise RuntimeError('not asked for')\n")
    (tmp_path / "their_own.yaml").write_text(TASK)
    (tmp_path / "helpers.py").write_text(HELPERS)
    (tmp_path / "data.json").write_text('{"question": "What colour is it?"}\n')
    return tmp_path


def started(folder, *command, path=str(ROOT)):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def evaluation(tasks, **options):
    options = {"limit": 2, "batch_size": 1, "output_path": "out", **options}
    named = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return ["-m", "lmms_eval", "--model", "qwen2_vl", "--tasks", tasks, *named]


PYTHON = (sys.executable,)
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=1")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=1", "--standalone")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [PYTHON, TORCHRUN], ids=["python", "torchrun"])
def test_ours_and_theirs_run_in_one_process(repository, launcher):
    ask = evaluation("their_own,vrp_shapes", include_path=".", model_args=f"{MODEL},k=0")
    ran = started(repository, *launcher, *ask)
    assert f"their metrics: {repository / 'metrics.py'}" in ran.stdout
    (manifest,) = repository.glob("out/*/*_vrp/manifest.json")
    assert json.loads(manifest.read_text())["tasks"]["vrp_shapes"]["n_samples"] == 2
    (results,) = repository.glob("out/*/*_results.json")
    assert set(json.loads(results.read_text())["results"]) == {"their_own", "vrp_shapes"}


def test_accelerate_starts_a_module_likewise(repository):
    code = "import vrp_tasks.attach.labels, metrics\nprint(metrics.colour)\n"
    (repository / "check.py").write_text(code)
    assert "red" in started(repository, *ACCELERATE, "-m", "check").stdout


def test_where_even_our_name_is_taken_stock_models_are_there(repository):
    (repository / "vrp_tasks").mkdir()
    (repository / "vrp_tasks" / "__init__.py").write_text("")
    code = (
        "from lmms_eval.models import MODEL_REGISTRY_V2 as r; print(r.resolve('mplug_owl_video'))"
    )
    assert "mplug_owl_video" in started(repository, sys.executable, "-c", code).stdout


def test_the_console_script_runs_in_any_folder(repository):
    module, function = SCRIPTS["vrp-leaderboard"].split(":")
    script = repository / "bin" / "vrp-leaderboard"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(module=module, function=function))
    for seed in range(4):  # enough to be evaluated by other processes
        write_run(repository / "runs" / str(seed), make_records(20, seed=seed))
    written = []
    for here, path in ((repository, f".{os.pathsep}{ROOT}"), (repository / "bin", str(ROOT))):
        ask = ("build", str(repository / "runs"), "-o", "report", "--no-cache")
        ran = started(here, sys.executable, str(script), *ask, path=path)
        assert ran.stdout.endswith(f"{Path('report') / 'report.html'}\n")
        written.append((here / "report" / "leaderboard.json").read_bytes())
    assert written[0] == written[1]


def test_only_our_modules_get_our_package(repository):
    code = """
import vrp_tasks.attach.labels
import metrics, sys
assert metrics.colour == "red"
import vrp_tasks.metrics.record.records as ours
assert ours.__name__ == "vrp_tasks.metrics.record.records"
assert not [name for name in sys.modules if name.startswith("metrics.")]
import vrp_tasks.metrics as package
print(package.auroc([0.0, 1.0], [False, True]))
"""
    assert started(repository, sys.executable, "-c", code).stdout == "1.0\n"


@pytest.mark.parametrize("holds", ["modules", "data"])
def test_a_folder_that_is_no_package_is_theirs_where_it_holds_modules(holds, tmp_path):
    name = "own.py" if holds == "modules" else "scores.json"
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / name).write_text("colour = 'red'\n")
    code = """
import vrp_tasks.attach.labels
try:
    from metrics.own import colour as found
except ModuleNotFoundError:
    from metrics import auroc
    found = auroc.__module__
print(found)
"""
    expected = {"modules": "red\n", "data": "metrics.scores.discrimination\n"}
    assert started(tmp_path, sys.executable, "-c", code).stdout == expected[holds]


ABSENT = """
import sys

class Absent:
    names = "torch transformers lmms_eval datasets loguru yaml filelock tqdm".split()

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(fullname, name=fullname)

sys.meta_path.insert(0, Absent())
from vrp_tasks.own_packages import leaderboard
sys.argv[1:] = ["--version"]
leaderboard()
"""


def test_the_reader_needs_nothing_that_runs_models(repository):
    ran = started(repository, sys.executable, "-c", ABSENT)
    assert ran.stdout.startswith("vrp-leaderboard ")


def test_where_the_names_are_ours_nothing_is_changed(tmp_path):
    code = """
import sys, vrp_tasks, metrics
from vrp_tasks import own_packages
assert not [f for f in sys.meta_path if isinstance(f, own_packages._OwnFinder)]
print(metrics.auroc.__module__)
"""
    assert started(tmp_path, sys.executable, "-c", code).stdout == "metrics.scores.discrimination\n"


def test_the_module_says_what_hides_it(repository):
    (repository / "leaderboard" / "__init__.py").unlink()
    (repository / "leaderboard").rmdir()
    done = subprocess.run(
        [sys.executable, "-m", "leaderboard", "build", "."],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2  # 1 would mean "regressed"
    assert done.stderr == (
        f"leaderboard: `import metrics` finds {repository / 'metrics.py'} instead of our package. "
        "Start it as vrp-leaderboard, which runs in any folder.\n"
    )
