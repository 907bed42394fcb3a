"""Functions that stand in a file beside a task's YAML, as lmms-eval's ``!function`` finds them."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vrp_tasks.errors import SetupError

_PATH = re.compile(r"([\w.]+):(\w+)")
_HASHED = re.compile(r"_[0-9a-f]{12}:")


def folder_of(manager: Any, task: str) -> Path | None:
    """Where a task's YAML is; None for a task without one."""
    path = manager.task_index.get(task, {}).get("yaml_path")
    return Path(path).parent if isinstance(path, str) else None


def located(task: str, value: Any, folder: Path | None) -> Any:
    """Settings in which a ``module:name`` of a file in ``folder`` names that file's module.

    Parameters
    ----------
    task : str
        Whose they are, for the message.
    value
        What stands under ``metadata.vrp``, or a part of it.
    folder : Path or None
        Of the YAML. A file there comes before an installed module of the same name.

    Returns
    -------
    The same, with the names under which `importlib.import_module` finds such modules. They have
    a hash of the file's content, so that files of one name in two folders are two modules.

    Raises
    ------
    SetupError
        If a file cannot be imported.
    """
    if folder is None:
        return value
    if isinstance(value, Mapping):
        return {key: located(task, inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [located(task, inner, folder) for inner in value]
    found = _PATH.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    file = folder.joinpath(*found[1].split(".")).with_suffix(".py")
    return f"{_module_of(task, file)}:{found[2]}" if file.is_file() else value


def as_written(path: str) -> str:
    """``module:name`` as the YAML has it, for messages."""
    return _HASHED.sub(":", path)


def _module_of(task: str, file: Path) -> str:
    """Name of the module that a file is, imported at its first use."""
    name = f"{file.stem}_{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    if name in sys.modules:
        return name
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file raises
        del sys.modules[name]
        raise SetupError(
            f"task {task}: {file} cannot be imported ({type(error).__name__}: {error})."
        ) from error
    return name
