"""How the samples' states differ in the middle of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from metrics.record.channels import SampleSpread
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured


class SampleStates(Observer):
    """Adds `SampleSpread`: the middle layer's state at the last token of each sample.

    A sample that ends at the length limit has its last token not fed, so the one before counts; an
    empty one has the last prompt token's.
    """

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        layers = context.family.decoder(context.model).layers
        self.middle = len(layers) // 2
        self.layer = layers[self.middle]
        self.steps: list[torch.Tensor] = []
        self.reading = False
        self.whole: torch.Tensor | None = None  # of the tokens fed, (n_steps, rows, d)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the middle layer."""
        handle = self.layer.register_forward_hook(self._on_layer)
        try:
            yield
        finally:
            handle.remove()

    def after_prefill(self, outputs: Any) -> None:
        """What is fed from now on are answers."""
        self.reading = self.context.settings.k > 0

    def _on_layer(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        if self.reading:
            states = output[0] if isinstance(output, tuple) else output
            self.steps.append(states[:, -1])

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Of the samples of one prompt."""
        if not item.sampled_tokens:
            return
        if self.whole is None and self.steps:
            self.whole = torch.stack(self.steps)
        prompt = self.context.recorder.last_prompt[self.middle + 1, index]
        lengths = torch.tensor([len(own) for own in item.sampled_tokens])
        fed = lengths.clamp_max(len(self.steps))
        rows = index * state.rows + 1 + torch.arange(len(lengths))
        states = prompt.float().repeat(len(lengths), 1)
        if self.whole is not None and bool((has := fed > 0).any()):
            # in the model's dtype until chosen: all steps of all rows are much
            states[has] = self.whole[fed[has] - 1, rows[has]].float().to(states.device)
        if not bool(torch.isfinite(states).all()):
            item.missing[SampleSpread.name] = "a sample's state is not finite"
            return
        centred = (states - states.mean(dim=1, keepdim=True)).double().cpu().numpy()
        covariance = centred @ centred.T / (centred.shape[1] - 1)
        values = np.clip(np.linalg.eigvalsh(covariance), 0, None).astype(np.float32)
        item.further[SampleSpread.name] = SampleSpread(values)
