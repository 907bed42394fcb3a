"""The configuration of an attached task: its base's, with scorer, metrics and metadata replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmms_eval.utils import load_yaml_config
from loguru import logger

from vrp_tasks.attach.aggregation import metric_list
from vrp_tasks.attach.base_task import BaseTask, base_config
from vrp_tasks.attach.beside import folder_of, located
from vrp_tasks.attach.comparison import watched
from vrp_tasks.attach.score import choose_score
from vrp_tasks.attach.scorer import AttachedScorer, renamed
from vrp_tasks.attach.settings import attach_settings
from vrp_tasks.attach.tolerant import tolerant

# keys by which lmms-eval files the base task, not the attached one
_FILING = ("task", "task_alias", "tag", "group", "group_alias", "include")


def is_attachment(config: Any) -> bool:
    """Whether a configuration is a few keys on top of a base task."""
    settings = vrp_settings(config)
    return isinstance(settings, Mapping) and "base" in settings and not _is_built(config)


def vrp_settings(config: Any) -> Any:
    """What stands under ``metadata.vrp``, if anything."""
    metadata = config.get("metadata") if isinstance(config, Mapping) else None
    return metadata.get("vrp") if isinstance(metadata, Mapping) else None


def _is_built(config: Mapping[str, Any]) -> bool:
    return isinstance(config.get("process_results"), AttachedScorer)


def attached_config(manager: Any, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration of an attached task.

    Parameters
    ----------
    manager : TaskManager
        Knows where the base is.
    name : str
        The attached task's.
    own : mapping
        Its YAML: ``metadata.vrp`` and whatever overrides the base. The base may be an attached
        task itself, of which it then changes a few keys: where the data are, say.

    Raises
    ------
    SetupError
        If base, keys or score are not right; see `attach_settings`, `base_config`, `choose_score`.
    """
    own = _on_its_base(manager, name, own)
    settings = attach_settings(name, vrp_settings(own))
    base = base_config(manager, name, settings.base)
    config = {key: value for key, value in base.items() if key not in _FILING} | dict(own)
    scored = BaseTask(config, settings.filter)
    rule = choose_score(name, settings, scored.metrics, scored.outputs())
    if not rule.labelled:
        logger.info(f"{name}: {settings.base} has no reference answers; signals only.")
    scorer = AttachedScorer(name, settings, scored, rule)
    own_metrics = [
        metric
        | {
            "metric": renamed(metric["metric"]),
            "aggregation": tolerant(
                watched(metric, rule, scorer.comparison), task=name, metric=metric["metric"]
            ),
        }
        for metric in scored.metrics
    ]
    return config | {
        "task": name,
        "process_results": scorer,
        "metric_list": [*own_metrics, *metric_list()],
        # the scorer filters answers itself; the name is what lmms-eval prints beside metrics
        "filter_list": [{"name": scored.filter_name, "filter": [{"function": "take_first"}]}],
        "cluster_key": config.get("cluster_key") or "group",
        "metadata": _metadata(base.get("metadata"), own["metadata"]),
    }


def _on_its_base(manager: Any, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A task's own keys; on an attached base, those of the base with its own in their place."""
    vrp = located(name, vrp_settings(own), folder_of(manager, name))
    config = {**own, "metadata": {**own["metadata"], "vrp": vrp}}
    base = str(vrp["base"])
    path = manager.task_index.get(base, {}).get("yaml_path")
    if base == name or not isinstance(path, str):
        return config
    if not is_attachment(load_yaml_config(path, mode="simple")):
        return config
    below = _on_its_base(manager, base, load_yaml_config(path, mode="full"))
    merged = {**vrp_settings(below), **{key: vrp[key] for key in vrp if key != "base"}}
    kept = {key: value for key, value in below.items() if key not in _FILING}
    metadata = {**below["metadata"], **config["metadata"], "vrp": merged}
    return {**kept, **config, "metadata": metadata}


def _metadata(base: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """The base's version unless the task has its own; both are kept."""
    listed = base if isinstance(base, list) else [base]
    merged: dict[str, Any] = {}
    for entry in listed:
        merged |= entry if isinstance(entry, Mapping) else {}
    version = merged.get("version")
    return merged | dict(own) | {"version": own.get("version", version), "base_version": version}
