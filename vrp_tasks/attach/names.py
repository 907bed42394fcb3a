"""How lmms-eval's task manager finds attached tasks, those without a YAML included.

The manager has read every YAML when it is asked for a name, so nothing is read again: a name of
ours that it does not know becomes an entry of its index, and its configuration is made when the
task is built. ``vrp_<task>`` is any task with reliability attached; ``<task of ours>_robustness``
and ``<task of ours>_grounding`` are the same task with that key of ``metadata.vrp`` set.

This module is imported while lmms-eval's tasks are, by whatever imports those first. So it imports
the rest of the package only when it is asked for something.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vrp_tasks.errors import SetupError

PREFIX = "vrp_"
VARIANTS = ("robustness", "grounding")


def is_ours(manager: Any, name: str) -> bool:
    """Whether a name was entered into the index by `register`."""
    return "vrp" in manager.task_index.get(name, {})


def register(manager: Any, name: str) -> None:
    """Enter a name of ours into the index of a manager that has no YAML for it.

    Whether there is such a task is found when its configuration is asked for.
    """
    unknown = name not in manager.task_index and not any(c in name for c in "*?[/")
    if not unknown or not name.startswith(PREFIX) or name == PREFIX:
        return
    manager.task_index[name] = {"type": "task", "yaml_path": -1, "vrp": True}
    for names in (manager._all_tasks, manager._all_subtasks):
        names.append(name)
        names.sort()


def dynamic(manager: Any, name: str) -> dict[str, Any]:
    """The configuration of a task without a YAML."""
    from vrp_tasks.attach.build import attached_config

    for variant in VARIANTS:
        whole = name.removesuffix(f"_{variant}")
        if whole != name and name[len(PREFIX) :] not in manager.task_index:
            return _variant_config(manager, name, whole, variant)
    base = name[len(PREFIX) :]
    config = attached_config(manager, name, {"metadata": {"vrp": {"base": base}}})
    _say_what_is_assumed(name, base)
    return config


@functools.cache  # asked for more than once in a run
def _say_what_is_assumed(name: str, base: str) -> None:
    from loguru import logger

    logger.info(
        f"{name} is attached by its name: all questions are of one kind (all), and images are told "
        f"apart by their pixels. A YAML with metadata: {{vrp: {{base: {base}, kind: COLUMN, group: "
        "COLUMN}} says otherwise (docs/tasks.md)."
    )


def _variant_config(manager: Any, name: str, whole: str, variant: str) -> dict[str, Any]:
    from vrp_tasks.attach.scorer import AttachedScorer
    from vrp_tasks.attach.settings import given_keys

    register(manager, whole)
    if manager.task_index.get(whole, {}).get("type") != "task":
        raise SetupError(f"task {name}: {whole} is no single task, so it has no {variant} variant.")
    config = dict(manager._get_config(whole))
    metadata = dict(config["metadata"])
    given = given_keys(metadata["vrp"])
    metadata["vrp"] = {**given, variant: given.get(variant) or True}
    scorer = config.get("process_results")
    if isinstance(scorer, AttachedScorer):  # it finds its task, so groups and targets, by this name
        config["process_results"] = scorer.of_variant(name)
    return config | {"task": name, "metadata": metadata}


def built(manager: Any, name: str, config: Any) -> Any:
    """The whole configuration, if this one is a few keys on top of a base."""
    from vrp_tasks.attach.build import attached_config, is_attachment  # imports lmms_eval.tasks

    return attached_config(manager, name, config) if is_attachment(config) else config


def prepared(manager: Any, name: str, config: Any) -> Any:
    """An inline configuration, built if its task is new; where it is not whole, `register` it."""
    if name not in manager.task_index:
        config = built(manager, name, config)
    if not {"metadata", "process_results"} <= set(config):  # what only a whole one has
        register(manager, name)
    return config


def config_of(manager: Any, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a task as `expanded` yields it; as lmms-eval will load it."""
    own = prepared(manager, name, own)
    known = manager._get_config(name) if name in manager.task_index else {}
    return {**known, **own}


def expanded(manager: Any, names: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Single tasks that are not lmms-eval's own, behind names, patterns, groups and tags.

    Yields
    ------
    name : str
    own : dict
        What a group's YAML says of the task beside its name; empty as a rule.
    """
    for part in names:
        if not isinstance(part, str):  # written into a group's YAML
            own = {key: value for key, value in part.items() if key != "task"}
            inline = part.get("task")
            if isinstance(inline, str) and inline not in manager.task_index and own:
                yield inline, own
            elif isinstance(inline, str):
                yield from ((name, inner | own) for name, inner in expanded(manager, [inline]))
            else:
                yield from expanded(manager, inline or [])
        elif any(c in part for c in "*?["):
            yield from expanded(manager, fnmatch.filter(manager.all_tasks, part))
        else:
            yield from _expanded_name(manager, part)


def _expanded_name(manager: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    register(manager, name)
    entry = manager.task_index.get(name)
    if entry is None or _is_stock(entry):
        return
    if entry["type"] in ("task", "python_task"):
        yield name, {}
        return
    parts = entry["task"]
    if parts == -1:
        parts = manager._get_config(name)["task"]
    yield from expanded(manager, parts)


def _is_stock(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the index comes from a YAML of lmms-eval's own."""
    from lmms_eval import tasks

    path = entry.get("yaml_path")
    return isinstance(path, str) and Path(tasks.__file__).parent in Path(path).parents
