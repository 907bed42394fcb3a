"""The plugin is found without ceremony, says why when it is not, and stays light."""

import subprocess
import sys
from pathlib import Path

import pytest

from vrp_tasks import registration


def python(code, cwd, **env):
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_importing_the_package_is_light(tmp_path):
    code = "import sys, vrp_tasks; print({'torch', 'transformers', 'lmms_eval'} & set(sys.modules))"
    assert python(code, tmp_path).stdout.strip() == "set()"


@pytest.mark.parametrize("module", ["adapters.paligemma", "attach.scorer", "run.session"])
def test_any_module_can_be_imported_first(tmp_path, module):
    assert python(f"import vrp_tasks.{module}", tmp_path).returncode == 0


def test_models_and_tasks_are_there_after_importing_the_evaluator(tmp_path):
    code = """
import lmms_eval.evaluator as evaluator
from lmms_eval.models import MODEL_REGISTRY_V2 as registry
from lmms_eval.tasks import TaskManager
for name in ("llava_hf", "qwen2_vl", "paligemma"):
    print(registry.resolve(name).class_path)
print(registry.resolve("llava_hf", force_simple=True).class_path)
print(type(evaluator).__name__, evaluator.simple_evaluate.__name__)
names = TaskManager(include_defaults=True).all_tasks
print([n for n in names if n.startswith("vrp_")], "pope" in names)
"""
    out = python(code, tmp_path)
    lines = out.stdout.strip().splitlines()
    assert lines[-6:-2] == [
        "lmms_eval.models.chat.llava_hf.LlavaHf",
        "lmms_eval.models.simple.qwen2_vl.Qwen2_VL",
        "vrp_tasks.adapters.paligemma.PaliGemma",
        "lmms_eval.models.simple.llava_hf.LlavaHf",
    ], out.stderr
    assert lines[-2] == "ServingModule simple_evaluate"
    assert "'vrp_shapes'" in lines[-1]
    assert "'vrp_shapes_by_kind'" in lines[-1]
    assert lines[-1].endswith("True")


def test_a_bare_task_manager_finds_our_tasks_once_the_package_is_imported(tmp_path):
    code = """
import vrp_tasks
from lmms_eval.tasks import TaskManager
print("vrp_shapes" in TaskManager(include_defaults=True).all_tasks)
"""
    assert python(code, tmp_path).stdout.strip().endswith("True")


def test_the_task_list_of_the_command_line_shows_ours(tmp_path):
    out = subprocess.run(
        [str(Path(sys.executable).parent / "lmms-eval"), "--tasks", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    curated = ("vrp_pope", "vrp_llava_bench", "vrp_counting", "vrp_paper", "vrp_core")
    for name in ("vrp_shapes_relation", *curated):
        assert name in out.stdout + out.stderr


def test_any_failure_is_reported_and_leaves_other_plugins_alone(monkeypatch, capsys):
    def fail():
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(registration, "install_hooks", fail)
    assert registration.manifests() == []
    assert "RuntimeError: broken on purpose" in capsys.readouterr().err


def test_hooks_are_installed_once():
    registration.install_hooks()
    registration.install_hooks()
    finders = [f for f in sys.meta_path if type(f).__name__ == "_PatchingFinder"]
    assert len(finders) == 1


@pytest.mark.parametrize("path", ["own_tasks", ["own_tasks", "more"], None])
def test_own_include_paths_are_kept(path):
    from lmms_eval.tasks import TaskManager

    seen = []

    class Recording(TaskManager):
        def _get_task_and_group(self, task_dir):
            seen.append(task_dir)
            return {}

    Recording(include_path=path, include_defaults=False)
    given = [path] if isinstance(path, str) else list(path or [])
    assert seen == given
