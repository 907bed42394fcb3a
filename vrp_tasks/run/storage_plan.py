"""Which hidden states are stored, what that takes on disk, and whether there is room.

States are all but free to compute and dear to keep: VQAv2's 214,354 validation questions on a
model of 7 billion parameters are more than 200 GB. So the plan is stated before the first sample.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loguru import logger
from PIL import Image

from metrics.record.channels import Channel, StateChannel
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access
from vrp_tasks.attach.documents import shown_by
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.errors import SetupError
from vrp_tasks.faults import ends_run

_BYTES = {"none": 0, "float16": 2, "float32": 4}
_HEAD = 64  # dimensions of a head, or more
_RECORD = 6000  # bytes of one sample's record and small image, as measured


@dataclass(frozen=True)
class StoragePlan:
    """What is kept of the samples of a run.

    Attributes
    ----------
    layers : tuple of int or None
        Which states, 0 being the embedding; None for all.
    kept : mapping of str to set of str
        Task -> documents whose states are kept; tasks that keep all are not there.
    """

    layers: tuple[int, ...] | None = None
    kept: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def keeps(self, task: str, doc_id: str) -> bool:
        """Whether the states of a sample are kept."""
        return task not in self.kept or doc_id in self.kept[task]

    def trimmed(
        self, task: str, doc_id: str, states: Mapping[str, Channel]
    ) -> tuple[dict[str, Channel], dict[str, Absent]]:
        """A sample's states as far as they are kept, and why the others are not."""
        if not self.keeps(task, doc_id):
            most = len(self.kept[task])
            said = f"hidden states are kept of {most} samples (hidden_max={most})"
            why = Absent(said, "missing" if most else "not offered")
            return {}, dict.fromkeys(states, why)
        if self.layers is None:
            return dict(states), {}
        chosen = list(self.layers)
        kept = {
            name: type(own)(own.by_layer[chosen]) if isinstance(own, StateChannel) else own
            for name, own in states.items()
        }
        return kept, {}


def storage_plan(
    access: Access, tasks: Mapping[str, Any], plans: Mapping[str, TaskPlan], folder: Path
) -> StoragePlan:
    """What to keep of a run; says so, and sees that it fits.

    Parameters
    ----------
    access : Access
        To the model, with the run's settings.
    tasks, plans : mapping of str
        Tasks of the run, and how much of them is run.
    folder : Path
        The run folder. What an interrupted run has left there counts as written.

    Raises
    ------
    SetupError
        If the disk has too little room, or the model has no such layer.
    """
    settings, model = access.settings, access.describe()
    n_layers, d_model = model.get("n_layers"), model.get("d_model")
    kept = {name: plan.kept for name, plan in plans.items() if plan.kept is not None}
    if n_layers is None or d_model is None:  # no state is offered
        return StoragePlan(None, kept)
    layers = layers_of(settings.options.hidden_layers, n_layers)
    n_samples = sum(plan.n_samples for plan in plans.values())
    n_kept = sum(plans[n].n_samples if n not in kept else len(kept[n]) for n in tasks)
    found = sum(
        (
            estimate(
                n_samples=plans[name].n_samples,
                n_kept=len(kept[name]) if name in kept else plans[name].n_samples,
                n_states=len(layers) if layers else n_layers + 1,
                d_model=d_model,
                n_layers=n_layers,
                n_tokens=_image_tokens(access, task),
                n_positions=3 + settings.capture.blank_image,
                hidden_dtype=settings.hidden_dtype,
                n_neurons=access.n_neurons(),
            )
            for name, task in tasks.items()
        ),
        start=Estimate(0, 0, 0),
    )
    states = (
        f"hidden states of {n_kept} ({settings.hidden_dtype}, layers "
        f"{settings.options.hidden_layers})"
    )
    if settings.hidden_dtype == "none":
        states = "no hidden states (hidden_dtype=none)"
    logger.info(describe(found, n_samples=n_samples, states=states))
    check_room(found, folder)
    return StoragePlan(layers, kept)


def _image_tokens(access: Access, task: Any) -> int:
    """Image tokens of the first document that the processor takes; 0 where it takes none."""
    for shown in shown_by(task):
        images = [image.convert("RGB") for image in shown if isinstance(image, Image.Image)]
        try:
            return access.image_tokens(images)
        except Exception as error:
            if ends_run(error):
                raise
    return 0


def layers_of(text: str, n_layers: int) -> tuple[int, ...] | None:
    """The states that ``hidden_layers`` stands for on a model of so many decoder layers.

    Parameters
    ----------
    text : str
        As `vrp_tasks.settings.options.RunOptions` has it.
    n_layers : int
        Decoder layers; there is one state more.

    Raises
    ------
    SetupError
        If the model has no such layer.
    """
    last = n_layers
    every = range(last + 1)
    if text == "all":
        return None
    if text.startswith("last"):
        chosen = tuple(every[-int(text[4:]) :])
    elif text.startswith("every"):
        chosen = tuple(every[:: -int(text[5:])][::-1])
    else:
        chosen = tuple(sorted({int(part) for part in text.replace(",", " ").split()}))
    if chosen[-1] > last:
        raise SetupError(
            f"hidden_layers names state {chosen[-1]}, this model has 0 to {last} "
            "(0 is the embedding)."
        )
    return chosen if len(chosen) < len(every) else None


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run will write, before compression."""

    states: int
    maps: int
    records: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.states + self.maps + self.records

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.states + other.states, self.maps + other.maps, self.records + other.records
        )


def estimate(
    *,
    n_samples: int,
    n_kept: int,
    n_states: int,
    d_model: int,
    n_layers: int,
    n_tokens: int,
    n_positions: int,
    hidden_dtype: str,
    n_neurons: int = 0,
) -> Estimate:
    """What a run takes on disk.

    Parameters
    ----------
    n_samples, n_kept : int
        Samples, and those whose states are kept.
    n_states, d_model : int
        Stored states per position, and their size.
    n_layers, n_tokens : int
        Of the attention maps (float32).
    n_positions : int
        Positions whose states are stored: last prompt token, last and mean answer token, blank.
    hidden_dtype : {"float16", "float32", "none"}
        Of the states.
    n_neurons : int, default 0
        Of which the contribution is kept, float16, where states are.
    """
    vision = 2  # states: mean vision feature, last image token
    per_sample = (n_positions * n_states + vision) * d_model * _BYTES[hidden_dtype] + 2 * n_neurons
    heads = n_layers * (d_model // _HEAD) * 3 * 2  # where each looks, float16
    return Estimate(
        states=n_kept * per_sample,
        maps=n_samples * n_layers * n_tokens * 4,
        records=n_samples * (_RECORD + heads),
    )


def describe(found: Estimate, *, n_samples: int, states: str) -> str:
    """One line for people."""
    return (
        f"Plan: {n_samples} samples, {states}; about "
        f"{_size(found.total)} on disk (states {_size(found.states)}, maps {_size(found.maps)})."
    )


def check_room(found: Estimate, folder: Path) -> None:
    """Raise SetupError if a run does not fit on the disk it is written to."""
    free = shutil.disk_usage(folder).free
    written = sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
    if found.total - written > free:
        raise SetupError(
            f"this run needs about {_size(found.total)} at {folder}, where {_size(free)} are free. "
            "Keep fewer hidden states (model arguments hidden_max=5000, hidden_layers=last5, "
            "hidden_dtype=none) or run a part (subset=5000)."
        )


def _size(n_bytes: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} KB"
