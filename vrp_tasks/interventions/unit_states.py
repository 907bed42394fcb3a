"""States of the units that may be ablated, taken from the clean pass: to rank on, and to fill with.

Per sample, layer and site: the last prompt token's states and the mean over the prompt's tokens.
They are kept in the run folder's parts until the run is complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel

from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured
from vrp_tasks.families import Family
from vrp_tasks.interventions.ablation import Site
from vrp_tasks.whole_files import write_arrays

Place = tuple[int, Site]
EXTRA = "unit_states"


class UnitStates:
    """Hooks on some places of a decoder that reduce what passes in one prefill."""

    def __init__(
        self,
        model: PreTrainedModel,
        family: Family,
        places: Collection[Place],
        attention_mask: torch.Tensor,
    ) -> None:
        self._layers = family.decoder(model).layers
        self._places, self._mask = places, attention_mask
        self._found: dict[str, torch.Tensor] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen until the first pass is over."""
        with ExitStack() as stack:
            for layer, site in self._places:
                block = self._layers[layer]
                handle = (
                    block.register_forward_hook(self._on_output(f"{site}.{layer}"))
                    if site == "residual"
                    else block.mlp.down_proj.register_forward_pre_hook(
                        self._on_input(f"{site}.{layer}")
                    )
                )
                stack.callback(handle.remove)
            yield

    def of(self, index: int) -> dict[str, np.ndarray]:
        """Float32 (n_units,) of one prompt; names "<site>.<layer>.last" and "….mean"."""
        return {name: values[index].cpu().numpy() for name, values in self._found.items()}

    def _take(self, name: str, states: torch.Tensor) -> None:
        if f"{name}.last" in self._found:  # a decoding step
            return
        states = states.float()
        real = self._mask.to(states.device)[:, :, None].float()
        self._found[f"{name}.last"] = states[:, -1]
        self._found[f"{name}.mean"] = (states * real).sum(dim=1) / real.sum(dim=1)

    def _on_output(self, name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            self._take(name, output[0] if isinstance(output, tuple) else output)

        return hook

    def _on_input(self, name: str) -> Any:
        def hook(_module: nn.Module, args: Any) -> None:
            self._take(name, args[0])

        return hook


class UnitStateObserver(Observer):
    """`UnitStates` of the capture's own prefill."""

    def __init__(self, context: CaptureContext, places: Collection[Place]) -> None:
        super().__init__(context)
        mask = context.inputs.get("attention_mask", torch.ones_like(context.input_ids))
        self._states = UnitStates(context.model, context.family, places, mask)

    def attached(self) -> Any:
        """Hooks of the places."""
        return self._states.attached()

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Arrays go to ``item.extra``."""
        item.extra[EXTRA] = self._states.of(index)


class UnitStateStore:
    """Unit states of one task in the run folder, of all ranks.

    Parameters
    ----------
    folder : Parts
        Of the run (`vrp_tasks.run.parts`).
    task : str
        Its name.
    """

    def __init__(self, folder: Any, task: str) -> None:
        self._folder, self._task, self._stem = folder, task, f"units.{task}"

    def add(self, docs: list[str], states: list[dict[str, np.ndarray]]) -> None:
        """Write the states of some samples; they are there once this returns."""
        if not docs:
            return
        path = self._folder.new_file(self._stem, ".safetensors")
        columns = {name: np.stack([own[name] for own in states]) for name in states[0]}
        write_arrays(path, columns, {"docs": json.dumps(docs)})

    def docs(self) -> set[str]:
        """Samples that are there."""
        return {doc for path, docs in self._files() for doc in docs if doc is not None}

    def read(self, name: str, docs: list[str]) -> np.ndarray:
        """One array of the given samples, float32 (n, n_units)."""
        rows: dict[str, np.ndarray] = {}
        for path, own in self._files():
            with safe_open(path, framework="numpy") as file:
                there = zip(own, file.get_tensor(name), strict=True)
                rows |= {doc: row for doc, row in there if doc is not None}
        return np.stack([rows[doc] for doc in docs])

    def _files(self) -> list[tuple[Path, list[str | None]]]:
        """Files, each with its samples; None for one that was asked again since."""
        return [
            (
                path,
                [
                    doc if self._folder.is_of_record(opening, self._task, doc) else None
                    for doc in _docs_of(path)
                ],
            )
            for opening, path in self._folder.files(f"{self._stem}.*.safetensors")
        ]


def _docs_of(path: Path) -> list[str]:
    with safe_open(path, framework="numpy") as file:
        return list(json.loads(file.metadata()["docs"]))
