"""What a run was started with: it goes on only under the same, and a new one says what changed.

What is common to all of a run's documents is here; what is one document's own is in
`vrp_tasks.run.request_identity`.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import metrics
from vrp_tasks.access.base import Access
from vrp_tasks.access.preparation import preparation_of
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.hashing import sha256_of
from vrp_tasks.run.provenance import package_versions
from vrp_tasks.run.task_code import code_of

_OURS = Path(__file__).parents[1]
_SHORT = 60  # characters of a value that a line can hold
_SOURCES = ("*.py", "*.yaml", "*_yaml")


def run_fingerprint(
    access: Access, tasks: Mapping[str, Any], *, reasoning_tags: Any = None
) -> dict[str, Any]:
    """What two runs must agree in for one to go on with the other, or to take its answers over.

    Parameters
    ----------
    access : Access
        To the model, with the run's settings.
    tasks : mapping of str to lmms-eval task
        Ours.
    reasoning_tags : object
        As the command line has them.

    Returns
    -------
    dict
        In JSON types: ``model``, ``prepared_by`` (tokenizer, processor, templates, configs),
        ``settings``, ``files`` (what settings name: probe, labels), ``tasks``, ``versions``,
        ``source`` (of this package), ``reasoning_tags``.
    """
    settings = access.settings
    labels, probe = settings.options.labels, settings.probe
    asked = {
        "model": access.describe(),
        "prepared_by": preparation_of(access.lm),
        "settings": access.described_settings(),
        "files": {
            "labels": None if labels is None else _hash_of_files(labels),
            "probe": None if probe is None else probe.digest(),
        },
        "tasks": {name: task_fingerprint(task) for name, task in tasks.items()},
        "versions": package_versions(),
        "source": source_hash(),
        "reasoning_tags": reasoning_tags,
    }
    return _plain(asked)


def task_fingerprint(task: Any) -> dict[str, Any]:
    """What a task asks and how, in JSON types; its documents have identities of their own."""
    config = task.config
    vrp = config.metadata["vrp"]
    labels = given_keys(vrp).get("labels")
    return _plain(
        {
            "version": str(task.VERSION),
            "vrp": vrp,
            "generation_kwargs": config.generation_kwargs,
            "dataset_path": config.dataset_path,
            "dataset_name": config.dataset_name,
            "filters": config.filter_list,
            "reasoning_tags": getattr(config, "reasoning_tags", None),
            "labels": None if labels is None else _hash_of_files(labels),
            "code": _hash(code_of(task)),
        }
    )


def digests(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """The hash of a fingerprint without its tasks, and one for each task; for the manifest."""
    rest = {name: value for name, value in fingerprint.items() if name != "tasks"}
    return {
        "run": _hash(rest),
        "tasks": {name: _hash(task) for name, task in fingerprint["tasks"].items()},
    }


@functools.cache
def source_hash() -> str:
    """Hash of the code that a run's records are made by: of `vrp_tasks` and `metrics`."""
    digest = hashlib.sha256()
    for root in (_OURS, Path(metrics.__file__).parent):
        for path in sorted(own for pattern in _SOURCES for own in root.rglob(pattern)):
            digest.update(f"{path.relative_to(root.parent)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _hash_of_files(path: Any) -> list[str]:
    """Of a file, or of those of a folder; empty where there is none: whoever needs it says so."""
    there = Path(str(path)).expanduser()
    files = sorted(there.glob("*.json")) if there.is_dir() else [there]
    return [sha256_of(file) for file in files if file.is_file()]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(value, sort_keys=True, default=_name))
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
