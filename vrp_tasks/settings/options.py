"""Model arguments that say which samples are run, which label counts and which states are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vrp_tasks.errors import SetupError

_LAYERS = re.compile(r"all|last[1-9]\d*|every[1-9]\d*|\d+([ ,]+\d+)*")


@dataclass(frozen=True)
class RunOptions:
    """Settings of one run; each wins over the task's own setting of that name.

    Attributes
    ----------
    subset : int or None
        So many samples of each task, drawn from all (`vrp_tasks.attach.subset`).
    subset_seed : int
        Another seed, another subset.
    label : str or None
        Which label counts: stock, parser or repope.
    labels : str or None
        File or folder of corrected labels.
    hidden_layers : str
        Which hidden states are stored: ``all``, ``last<n>``, ``every<n>`` (the last included), or
        numbers; 0 is the embedding.
    hidden_max : int or None
        Hidden states are stored of so many samples of each task.
    cluster_grid : bool
        Score the cluster count over a grid of radii and percentiles, for the manifest.
    """

    subset: int | None = None
    subset_seed: int = 0
    label: str | None = None
    labels: str | None = None
    hidden_layers: str = "all"
    hidden_max: int | None = None
    cluster_grid: bool = False


def run_options_from(arguments: dict[str, Any]) -> RunOptions:
    """Take these settings out of model arguments.

    Raises
    ------
    SetupError
        If a value is not legal.
    """
    layers = str(arguments.pop("hidden_layers", "all")).strip("[]() ").lower()
    if not _LAYERS.fullmatch(layers):
        raise SetupError(
            "model argument hidden_layers must be all, last5, every4 or numbers such as [0,8,16], "
            f"got {layers!r}."
        )
    label, labels = arguments.pop("label", None), arguments.pop("labels", None)
    return RunOptions(
        subset=_whole(arguments, "subset", least=1),
        subset_seed=_whole(arguments, "subset_seed", least=0) or 0,
        label=None if label is None else str(label),
        labels=None if labels is None else str(labels),
        hidden_layers=layers,
        hidden_max=_whole(arguments, "hidden_max", least=0),
        cluster_grid=_flag(arguments, "cluster_grid"),
    )


def _flag(arguments: dict[str, Any], name: str) -> bool:
    value = str(arguments.pop(name, False)).lower()
    if value not in ("true", "false", "1", "0"):
        raise SetupError(f"model argument {name} must be true or false, got {value!r}.")
    return value in ("true", "1")


def _whole(arguments: dict[str, Any], name: str, *, least: int) -> int | None:
    value = arguments.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)) or int(value) < least:
        raise SetupError(f"model argument {name} must be a number >= {least}, got {value!r}.")
    return int(value)
