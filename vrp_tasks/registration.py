"""How lmms-eval finds our models and tasks: entry point plus hooks on two of its modules.

lmms-eval has entry points for models only, and loads them while ``lmms_eval.evaluator`` is being
imported. `manifests` (the entry point) therefore also sees to it that

- ``TaskManager`` looks into our tasks folder whenever it includes lmms-eval's own, and knows
  names such as ``vrp_<task>`` (see `vrp_tasks.attach.names`), and
- ``simple_evaluate`` runs inside `vrp_tasks.run.evaluation`, which leaves runs without our tasks
  alone.

Everything here is idempotent, light (no torch) and must not raise: lmms-eval drops the models of
every plugin when one entry point fails.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

TASKS_FOLDER = Path(__file__).parent / "tasks"

# model id -> simple adapter, for families that lmms-eval lacks; every other id stays stock
ADAPTERS: dict[str, str] = {"paligemma": "vrp_tasks.adapters.paligemma.PaliGemma"}
_MARK = "_vrp_tasks_patched"


def manifests() -> list[Any]:
    """Entry point ``lmms_eval.models``: our adapters, or none with the reason on stderr."""
    try:
        from lmms_eval.models.registry_v2 import ModelManifest

        complaint = shadowed_package()
        if complaint is None:
            install_hooks()
            return [ModelManifest(name, simple_class_path=path) for name, path in ADAPTERS.items()]
    except Exception as error:  # noqa: BLE001 - a failing entry point disables every other plugin
        complaint = f"{type(error).__name__}: {error}"
    sys.stderr.write(
        f"vrp-tasks is installed but could not be loaded, so vrp_* tasks are missing: {complaint}\n"
    )
    return []


def shadowed_package() -> str | None:
    """Say which file hides our ``metrics`` package (the name is a common one); None if none."""
    spec = importlib.util.find_spec("metrics")
    ours = Path(__file__).parent.parent / "metrics" / "records.py"
    if spec is not None and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            if (Path(folder) / "records.py").exists():
                return None
    found = spec.origin if spec is not None else "nothing"
    return (
        f"`import metrics` finds {found} instead of {ours.parent}. "
        "Rename that file, or start lmms-eval from another folder."
    )


def install_hooks() -> None:
    """Patch ``lmms_eval.tasks`` and ``lmms_eval.evaluator``, now or once they are imported."""
    for name, patch in _PATCHES.items():
        module = sys.modules.get(name)
        if module is not None:
            patch(module)
    if not any(isinstance(finder, _PatchingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PatchingFinder())


def _patch_tasks(module: ModuleType) -> None:
    manager = getattr(module, "TaskManager", None)
    if manager is None or hasattr(manager.initialize_tasks, _MARK):
        return
    original = manager.initialize_tasks

    @functools.wraps(original)
    def initialize_tasks(
        self: object,
        include_path: str | Sequence[str] | None = None,
        include_defaults: bool = True,
    ) -> dict:
        if include_defaults:
            given = [include_path] if isinstance(include_path, str) else list(include_path or [])
            include_path = [*given, str(TASKS_FOLDER)]
        return original(self, include_path=include_path, include_defaults=include_defaults)

    setattr(initialize_tasks, _MARK, True)
    manager.initialize_tasks = initialize_tasks
    from vrp_tasks.attach.names import install

    install(manager)


class _EvaluatorModule(ModuleType):
    """``lmms_eval.evaluator`` with `simple_evaluate` wrapped on access.

    The entry point runs while that module is still being executed, when there is no function yet
    to wrap; a module's class may be replaced at any time.
    """

    @property
    def simple_evaluate(self) -> Callable:
        """The stock function inside our session."""
        stock = self.__dict__.get("simple_evaluate")
        if stock is None:
            raise AttributeError("lmms_eval.evaluator is not fully imported yet")

        @functools.wraps(stock)
        def wrapped(*args: object, **kwargs: object) -> object:
            from vrp_tasks.run.evaluation import run_evaluation

            return run_evaluation(self, stock, args, kwargs)

        return wrapped

    @simple_evaluate.setter
    def simple_evaluate(self, function: Callable) -> None:
        self.__dict__["simple_evaluate"] = function


def _patch_evaluator(module: ModuleType) -> None:
    if type(module) is ModuleType:
        module.__class__ = _EvaluatorModule


_PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "lmms_eval.tasks": _patch_tasks,
    "lmms_eval.evaluator": _patch_evaluator,
}


class _PatchingFinder(importlib.abc.MetaPathFinder):
    """Lets the regular finders find the two modules and patches them after execution."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The regular spec, its loader made to patch; None for every other module."""
        if fullname not in _PATCHES:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((found for found in specs if found is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _PATCHES[fullname](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
