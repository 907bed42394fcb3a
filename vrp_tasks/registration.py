"""How lmms-eval finds our models and tasks: entry point plus hooks on three of its modules.

lmms-eval has entry points for models only, and loads them while ``lmms_eval.evaluator`` is being
imported. `manifests` (the entry point) therefore also sees to it that

- ``TaskManager`` looks into our tasks folder whenever it includes lmms-eval's own, and knows
  names such as ``vrp_<task>`` (see `vrp_tasks.attach.names`), and
- ``simple_evaluate`` runs inside `vrp_tasks.run.evaluation`, and the command line inside
  `vrp_tasks.run.command`; both leave runs without our tasks alone.

Everything here is idempotent, light (no torch) and must not raise: lmms-eval drops the models of
every plugin when one entry point fails.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from vrp_tasks.attach import names
from vrp_tasks.errors import without_extra
from vrp_tasks.seam.import_hook import patch_when_imported
from vrp_tasks.seam.readable_docs import patch_documents
from vrp_tasks.seam.served_on_access import Around, serve_on_access
from vrp_tasks.seam.task_manager import patch_task_manager

TASKS_FOLDER = Path(__file__).parent / "tasks"

# model id -> our adapter; every other id stays stock
ADAPTERS: dict[str, dict[str, str]] = {
    "paligemma": {"simple_class_path": "vrp_tasks.adapters.paligemma.PaliGemma"},
    "vrp_hf": {"chat_class_path": "vrp_tasks.adapters.vrp_hf.VrpHf"},
}


def manifests() -> list[Any]:
    """Entry point ``lmms_eval.models``: our adapters, or none with the reason on stderr."""
    try:
        from lmms_eval.models.registry_v2 import ModelManifest

        install_hooks()
        return [ModelManifest(name, **paths) for name, paths in ADAPTERS.items()]
    except ImportError as error:
        complaint = without_extra(error)
    except Exception as error:  # noqa: BLE001 - a failing entry point disables every other plugin
        complaint = f"{type(error).__name__}: {error}"
    sys.stderr.write(
        f"vrp-tasks is installed but could not be loaded, so vrp_* tasks are missing: {complaint}\n"
    )
    return []


def install_hooks() -> None:
    """Patch three modules of lmms-eval, now or once they are imported."""
    patch_when_imported(
        {
            "lmms_eval.tasks": _patch_tasks,
            "lmms_eval.evaluator": _patch_evaluator,
            "lmms_eval.__main__": _patch_command_line,
        }
    )


def _patch_tasks(module: ModuleType) -> None:
    patch_task_manager(module, folder=TASKS_FOLDER, names=names)
    patch_documents(module)


def _patch_evaluator(module: ModuleType) -> None:
    serve_on_access(module, "simple_evaluate", _around)


def _patch_command_line(module: ModuleType) -> None:
    serve_on_access(module, "cli_evaluate", _around_command)


def _around() -> Around:
    try:
        from vrp_tasks.run.evaluation import run_evaluation  # imports torch
    except ImportError as error:
        return functools.partial(_without_extra, error)
    return run_evaluation


def _around_command() -> Around:
    try:
        from vrp_tasks.run.command import run_command  # imports torch
    except ImportError:  # `simple_evaluate` says so
        return lambda _module, stock, args, kwargs: stock(*args, **kwargs)
    return run_command


def _without_extra(
    error: ImportError,
    _module: ModuleType,
    stock: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Say what to install if tasks of ours are asked for; all others run."""
    asked = inspect.signature(stock).bind(*args, **kwargs).arguments
    ours = [t for t in asked.get("tasks") or [] if isinstance(t, str) and t.startswith("vrp_")]
    if ours:
        raise SystemExit(f"vrp-tasks: {ours[0]} cannot be run: {without_extra(error)}")
    return stock(*args, **kwargs)
