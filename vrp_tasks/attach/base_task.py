"""The base task: its configuration as lmms-eval resolves it, and its own scoring of one answer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmms_eval import tasks as stock_tasks
from lmms_eval import utils
from lmms_eval.api.registry import (
    DEFAULT_METRIC_REGISTRY,
    get_aggregation,
    get_metric_aggregation,
    is_higher_better,
)
from lmms_eval.api.task import ConfigurableTask, TaskConfig
from lmms_eval.filters import build_filter_ensemble

from vrp_tasks.attach.outputs import Shape, outputs_of
from vrp_tasks.errors import SetupError
from vrp_tasks.seam.scored_answer import filtered


def base_config(manager: Any, task: str, base: str) -> dict[str, Any]:
    """The configuration of a base task, includes resolved by lmms-eval's own loader.

    Raises
    ------
    SetupError
        If there is no such task, or reliability cannot be attached to it.
    """
    path = _yaml_of(manager, task, base)
    try:
        config = utils.load_yaml_config(path, mode="full")
    except Exception as error:  # whatever the base's own module raises when it is imported
        cause = str(error.__cause__ or error).splitlines()
        raise SetupError(
            f"task {task}: lmms-eval's own task {base} cannot be loaded "
            f"({type(error).__name__}: {cause[0] if cause else 'no message'})."
        ) from error
    complaint = unsuited(config)
    if complaint:
        raise SetupError(f"task {task}: {base} {complaint}.")
    return dict(config)


def unsuited(config: Mapping[str, Any]) -> str | None:
    """Why reliability cannot be attached to a task of this configuration, or None."""
    kind = config.get("output_type", "generate_until")
    if isinstance(config.get("metadata"), Mapping) and config["metadata"].get("vrp"):
        return "has reliability already"
    if "class" in config:
        return "is a Python class, which lmms-eval cannot build from a configuration"
    if kind != "generate_until":
        return f"has output_type {kind}; answers are generated only with generate_until"
    if not config.get("doc_to_visual"):
        return "shows no image (it has no doc_to_visual)"
    kwargs = config.get("dataset_kwargs") or {}
    if kwargs.get("video") or kwargs.get("From_YouTube"):
        return "is a video task"
    return None


def _yaml_of(manager: Any, task: str, base: str) -> str:
    entry = manager.task_index.get(base)
    if entry is None:
        found = _search(base)
        if found is not None:
            return found
        known = [name for name in manager.all_subtasks if "vrp" not in manager.task_index[name]]
        near = difflib.get_close_matches(base, known, n=3)
        hint = f" Close: {', '.join(near)}." if near else " lmms-eval --tasks list names all."
        raise SetupError(f"task {task}: lmms-eval has no task {base!r}.{hint}")
    if entry["type"] == "group" or entry["type"] == "tag":
        parts = entry["task"]
        if parts == -1:
            parts = utils.load_yaml_config(entry["yaml_path"], mode="simple")["task"]
        names = [p if isinstance(p, str) else p.get("task", "?") for p in parts]
        shown = ", ".join(f"vrp_{name}" for name in names[:6])
        more = ", …" if len(names) > 6 else ""
        raise SetupError(
            f"task {task}: {base} is a {entry['type']} of tasks; attach to them: {shown}{more}."
        )
    return str(entry["yaml_path"])


def _search(base: str) -> str | None:
    """The YAML of a stock task, for a manager that was told to leave the stock tasks out."""
    pattern = re.compile(rf"^task:\s*[\"']?{re.escape(base)}[\"']?\s*(#.*)?$", re.MULTILINE)
    folder = Path(stock_tasks.__file__).parent
    for path in sorted(folder.rglob("*.yaml")):
        if pattern.search(path.read_text(encoding="utf-8", errors="replace")):
            return str(path)
    return None


class BaseTask:
    """Scores answers exactly as the base task does, without its data set.

    Parameters
    ----------
    config : dict
        As `base_config` returns it.
    filter_name : str, optional
        Which of its answer filters; default the first.
    """

    def __init__(self, config: Mapping[str, Any], filter_name: str | None = None) -> None:
        self.process_results = config.get("process_results")
        self.metrics = _metrics(config)
        self.filter_name, self._filter = _filter(config, filter_name)
        # the stock class without its constructor, which would load the data set
        self._stock = ConfigurableTask.__new__(ConfigurableTask)
        own = {k: v for k, v in config.items() if k in TaskConfig.__dataclass_fields__}
        own |= {"group": None, "tag": None, "generation_kwargs": {}}
        self._stock._config = TaskConfig(**own)
        self._stock.OUTPUT_TYPE = "generate_until"
        targets = config.get("model_specific_target_kwargs") or {}
        self._stock.model_specific_target_kwargs = targets.get("default")
        self._stock._prepare_metric_and_aggregation()

    def results(self, doc: Mapping[str, Any], answer: str, task: Any = None) -> dict[str, Any]:
        """What the base's ``process_results`` returns for one answer.

        Parameters
        ----------
        doc : mapping
            As lmms-eval passes it.
        answer : str
            As generated.
        task : lmms-eval task, optional
            The attached task, which has seen the data set.
        """
        scored = answer if self._filter is None else filtered(self._filter, doc, answer)
        stock = self._stock
        if task is None:
            stock.features = list(doc)
            stock.multiple_target = 0
            target = stock.doc_to_target(doc) if self.process_results is None else None
            stock.multiple_target = len(target) if isinstance(target, list) else 0
        else:
            stock.features, stock.multiple_target = task.features, task.multiple_target
            stock.model_specific_target_kwargs = task.model_specific_target_kwargs
        score = ConfigurableTask.process_results.__wrapped__  # without five attempts
        return dict(score(stock, doc, [scored]))

    def outputs(self) -> dict[str, Shape]:
        """What `results` will hold, as far as the source tells."""
        if self.process_results is None:
            return {str(metric["metric"]): Shape("number") for metric in self.metrics}
        return outputs_of(self.process_results)


def _metrics(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``metric_list`` with every aggregation as a function."""
    listed = config.get("metric_list")
    if listed is None:
        listed = [{"metric": name} for name in DEFAULT_METRIC_REGISTRY["generate_until"]]
    metrics = []
    for given in listed:
        metric = dict(given)
        aggregation = metric.get("aggregation")
        if isinstance(aggregation, str):
            aggregation = get_aggregation(aggregation)
        name = str(metric["metric"])
        metric["aggregation"] = aggregation or get_metric_aggregation(name)
        if "higher_is_better" not in metric:
            metric["higher_is_better"] = is_higher_better(name)
        metrics.append(metric)
    return metrics


def _filter(config: Mapping[str, Any], wanted: str | None) -> tuple[str, Any]:
    """Name and chain of the answer filter; no chain where answers go unfiltered."""
    listed = config.get("filter_list")
    if not listed:
        return "none", None
    by_name = {entry["name"]: entry["filter"] for entry in listed}
    if wanted is not None and wanted not in by_name:
        raise SetupError(f"no filter {wanted!r}; there are: {', '.join(by_name)}.")
    name = wanted or next(iter(by_name))
    steps = [
        [step["function"], {k: v for k, v in step.items() if k != "function"}]
        for step in by_name[name]
    ]
    return name, build_filter_ensemble(name, steps)
