"""Tasks checked by name, before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrp_tasks.attach.build import vrp_settings
from vrp_tasks.attach.names import PREFIX, expanded
from vrp_tasks.attach.plan import check_unlimited
from vrp_tasks.attach.reach import check_task_data
from vrp_tasks.attach.settings import function_at
from vrp_tasks.attach.subset import subset_of


def check_names(asked: dict[str, Any]) -> None:
    """See that every task of ours that is asked for, in groups too, can be made and has its data.

    Parameters
    ----------
    asked : dict
        Arguments of ``simple_evaluate``. Without a task manager it gets one, which lmms-eval would
        otherwise make later.

    Raises
    ------
    SetupError
        With one line that says what was wrong and what to do.
    """
    names = [task for task in asked.get("tasks") or [] if isinstance(task, str)]
    if not any(name.startswith(PREFIX) for name in names):
        return
    manager = asked.get("task_manager")
    if manager is None:
        from lmms_eval.tasks import TaskManager

        model = asked.get("model")
        named = model if isinstance(model, str) else None
        manager = TaskManager(asked.get("verbosity", "INFO"), model_name=named)
        asked["task_manager"] = manager
    for name in dict.fromkeys(expanded(manager, names)):
        if not name.startswith(PREFIX):
            continue
        config = manager._get_config(name)
        settings = vrp_settings(config)
        settings = settings if isinstance(settings, Mapping) else {}
        if settings.get("check"):
            function_at(settings["check"])(name)
        if subset_of(name, settings.get("subset")) is not None:
            check_unlimited(name, asked.get("limit"), asked.get("offset", 0))
        check_task_data(name, config)
