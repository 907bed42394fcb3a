"""lmms-eval's ``TaskManager``: our tasks folder, and names that have no YAML."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

_MARK = "_vrp_tasks_patched"


class Names(Protocol):
    """Who knows names of ours; asked when the manager is, never before."""

    def register(self, manager: Any, name: str) -> None:
        """Enter a name of ours into the manager's index, if it has none."""

    def is_ours(self, manager: Any, name: str) -> bool:
        """Whether a name was registered by us."""

    def dynamic(self, manager: Any, name: str) -> dict[str, Any]:
        """The configuration of a name that was registered by us."""

    def built(self, manager: Any, name: str, config: Any) -> Any:
        """A configuration, completed if it is a few keys on top of another task."""

    def prepared(self, manager: Any, name: str, config: Any) -> Any:
        """An inline configuration, completed likewise or registered."""


def patch_task_manager(module: ModuleType, *, folder: Path, names: Names) -> None:
    """Let the manager find tasks in ``folder`` beside its own, and the names of ours."""
    manager = getattr(module, "TaskManager", None)
    if manager is None or hasattr(manager, _MARK):
        return
    setattr(manager, _MARK, True)
    _wrap(manager, "initialize_tasks", lambda stock: _with_folder(stock, folder))
    _wrap(manager, "match_tasks", lambda stock: _registering(stock, names))
    _wrap(manager, "_get_config", lambda stock: _completing(stock, names))
    _wrap(manager, "_load_individual_task_or_group", lambda stock: _preparing(stock, names))


def _wrap(
    manager: type, method: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    stock = getattr(manager, method)
    setattr(manager, method, functools.wraps(stock)(around(stock)))


def _with_folder(stock: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    def initialize_tasks(
        self: object,
        include_path: str | Sequence[str] | None = None,
        include_defaults: bool = True,
    ) -> Any:
        if include_defaults:
            given = [include_path] if isinstance(include_path, str) else list(include_path or [])
            include_path = [*given, str(folder)]
        return stock(self, include_path=include_path, include_defaults=include_defaults)

    return initialize_tasks


def _registering(stock: Callable[..., Any], names: Names) -> Callable[..., Any]:
    def match_tasks(self: Any, task_list: Any) -> Any:
        for name in [task_list] if isinstance(task_list, str) else task_list:
            names.register(self, name)
        return stock(self, task_list)

    return match_tasks


def _completing(stock: Callable[..., Any], names: Names) -> Callable[..., Any]:
    def get_config(self: Any, name: str) -> Any:
        if names.is_ours(self, name):
            return names.dynamic(self, name)
        return names.built(self, name, stock(self, name))

    return get_config


def _preparing(stock: Callable[..., Any], names: Names) -> Callable[..., Any]:
    def load(self: Any, name_or_config: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(name_or_config, str):
            names.register(self, name_or_config)
        elif isinstance(name_or_config, dict) and isinstance(name_or_config.get("task"), str):
            name_or_config = names.prepared(self, name_or_config["task"], name_or_config)
        return stock(self, name_or_config, *args, **kwargs)

    return load
