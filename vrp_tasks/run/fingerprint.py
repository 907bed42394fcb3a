"""What a run was started with: it goes on only under the same, and a new one says what changed."""

from __future__ import annotations

import json
from typing import Any

_SHORT = 60  # characters of a value that a line can hold


def task_fingerprint(task: Any) -> dict[str, Any]:
    """What a task asks and how, in JSON types."""
    config = task.config
    asked = {
        "version": str(task.VERSION),
        "vrp": config.metadata["vrp"],
        "generation_kwargs": config.generation_kwargs,
        "dataset_path": config.dataset_path,
        "dataset_name": config.dataset_name,
        "n_docs": len(task.eval_docs_no_media),
    }
    found: dict[str, Any] = json.loads(json.dumps(asked, sort_keys=True, default=_name))
    return found


def differences(before: Any, after: Any, *, of: str = "") -> list[str]:
    """Leaves in which two JSON values differ, named by their path, with both values if short."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for name in sorted(before.keys() | after.keys()):
            pair = before.get(name, "not recorded"), after.get(name, "not recorded")
            found += differences(*pair, of=f"{of}.{name}" if of else name)
        return found
    if before == after:
        return []
    said = [str(value) for value in (before, after)]
    return [f"{of} ({said[0]} and {said[1]})" if max(map(len, said)) <= _SHORT else of]


def _name(function: Any) -> str:
    return getattr(function, "__name__", "")
