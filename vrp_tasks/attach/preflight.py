"""Tasks looked up by name and checked, before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrp_tasks.attach.build import vrp_settings
from vrp_tasks.attach.names import PREFIX, config_of, expanded
from vrp_tasks.attach.plan import check_unlimited
from vrp_tasks.attach.reach import check_task_data
from vrp_tasks.attach.scorer import AttachedScorer
from vrp_tasks.attach.settings import function_at, given_keys
from vrp_tasks.attach.subset import subset_of
from vrp_tasks.attach.trial import check_columns
from vrp_tasks.errors import SetupError


def tasks_asked_for(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Tasks of ours that are asked for, behind groups and patterns too: name -> configuration.

    Parameters
    ----------
    asked : dict
        Arguments of ``simple_evaluate``. Without a task manager it gets one where a name of ours is
        asked for; lmms-eval would otherwise make it later.

    Raises
    ------
    SetupError
        If the configuration of one cannot be made.
    """
    names = [task for task in asked.get("tasks") or [] if isinstance(task, str | Mapping)]
    manager = asked.get("task_manager")
    if manager is None:
        if not any(isinstance(name, Mapping) or name.startswith(PREFIX) for name in names):
            return {}
        from lmms_eval.tasks import TaskManager

        model = asked.get("model")
        named = model if isinstance(model, str) else None
        manager = TaskManager(asked.get("verbosity", "INFO"), model_name=named)
        asked["task_manager"] = manager
    ours: dict[str, dict[str, Any]] = {}
    for name, own in expanded(manager, names):
        if name not in ours and _may_be_ours(manager, name, own):
            config = config_of(manager, name, own)
            if vrp_settings(config):
                ours[name] = config
    return ours


def _may_be_ours(manager: Any, name: str, own: Mapping[str, Any]) -> bool:
    """Read off a task's YAML without running the code that it names."""
    from lmms_eval.utils import load_yaml_config

    if name.startswith(PREFIX) or vrp_settings(own):
        return True
    path = manager.task_index.get(name, {}).get("yaml_path")
    return isinstance(path, str) and bool(vrp_settings(load_yaml_config(path, mode="simple")))


def check_asked(ours: Mapping[str, dict[str, Any]], asked: Mapping[str, Any]) -> None:
    """See that every task of ours can be made and scored, and has its data.

    Parameters
    ----------
    ours : mapping of str to dict
        As `tasks_asked_for` returns it.
    asked : mapping
        Arguments of ``simple_evaluate``.

    Raises
    ------
    SetupError
        With one line that says what was wrong and what to do.
    """
    for name, config in ours.items():
        settings = given_keys(vrp_settings(config))
        scorer = config.get("process_results")
        if "class" not in config and not callable(scorer):
            raise SetupError(
                f"task {name}: metadata.vrp names no base task, and there is no process_results "
                "that scores answers for us. Add base: TASK under metadata.vrp (docs/tasks.md)."
            )
        if settings.get("check"):
            function_at(settings["check"])(name)
        if subset_of(name, settings.get("subset")) is not None:
            check_unlimited(name, asked.get("limit"), asked.get("offset", 0))
        columns = check_task_data(name, config)
        made_later = callable(config.get("process_docs"))  # it may add columns
        if columns and isinstance(scorer, AttachedScorer) and not made_later:
            check_columns(name, columns, scorer.settings)
