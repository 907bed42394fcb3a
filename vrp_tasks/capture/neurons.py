"""What each neuron of the feed-forward layers contributes at the answer's tokens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from metrics.record.channels import NeuronContributions
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.weights import plain_weight

_EPSILON = 1e-8  # the published code's, below the length of what a layer writes
_UNKNOWN = "the neurons of this model's feed-forward layers do not write through one linear layer"
_QUANTISED = "the weights of the feed-forward layers are quantised"


class Neurons(Observer):
    """Adds `NeuronContributions`, of the answer's own tokens as they are fed."""

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        self.never: str | None = None
        self.projections: list[nn.Module] = []
        layers = context.family.decoder(context.model).layers
        blocks = context.family.blocks(context.model)
        parts = [None] * len(layers) if blocks is None else [block.mlp for block in blocks]
        d_model = context.model.config.get_text_config().hidden_size
        found = [
            projection_of([getattr(layer, "mlp", None), part], d_model)
            for layer, part in zip(layers, parts, strict=True)
        ]
        there = [own for own in found if own is not None]
        weights = [plain_weight(own) for own in there]
        if len(there) < len(found) or len({own.in_features for own in there}) > 1:
            self.never = _UNKNOWN
        elif any(weight is None for weight in weights):
            self.never = _QUANTISED
        else:
            self.projections = there
            self.lengths = [w.float().norm(dim=0) for w in weights if w is not None]
        self.reading = False
        self.seconds = 0.0
        self._step: list[torch.Tensor] = []
        self._pending: deque[torch.Tensor] = deque()
        self._folded = 0
        self._sums: torch.Tensor | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the layers through which neurons write."""
        with ExitStack() as stack:
            for index, projection in enumerate(self.projections):
                hook = projection.register_forward_hook(self._on_projection(index))
                stack.callback(hook.remove)
            yield

    def after_prefill(self, outputs: Any) -> None:
        """What is fed from now on are answers."""
        self.reading = True

    def _on_projection(self, index: int) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
            recorder = self.context.recorder
            if not self.reading or not recorder.active:
                return
            began = time.perf_counter()
            rows = recorder.stride * recorder.batch_size
            # experts and the like may return positions in one row
            active = args[0].reshape(rows, -1, args[0].shape[-1])[:: recorder.stride, -1]
            written = output.reshape(rows, -1, output.shape[-1])[:: recorder.stride, -1]
            length = written.float().norm(dim=-1, keepdim=True) + _EPSILON
            self._step.append((active.float().abs() * self.lengths[index] / length).cpu())
            self.seconds += time.perf_counter() - began

        return hook

    def after_step(self, settled: Sequence[int], most: Sequence[int]) -> None:
        """Add the steps of which it is known whether they are part of the answers."""
        if not self.projections:
            return
        self._pending.append(torch.stack(self._step, dim=1))
        self._step = []
        while self._pending:
            fed = self._folded
            if any(least <= fed < limit for least, limit in zip(settled, most, strict=True)):
                return
            step = self._pending.popleft()
            self._folded += 1
            own = torch.tensor([fed < n for n in settled])[:, None, None]
            found = torch.where(own, step, 0.0)
            self._sums = found if self._sums is None else self._sums + found

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Mean over the answer's tokens."""
        name = NeuronContributions.name
        if self.never is not None:
            item.never[name] = self.never
        elif not item.tokens or self._sums is None:
            item.missing[name] = "the answer is empty"
        else:
            mean = (self._sums[index] / len(item.tokens)).numpy()
            with np.errstate(over="ignore"):
                kept = mean.astype(np.float16)
            if np.isfinite(kept).all():
                item.further[name] = NeuronContributions(kept)
            else:
                item.missing[name] = "a layer wrote next to nothing, so that shares of it are none"
        item.seconds["neurons"] = self.seconds / self.context.recorder.batch_size


def projection_of(modules: Sequence[Any], d_model: int) -> Any:
    """The one linear layer inside a feed-forward layer that writes to the stream, or None.

    ``modules`` are those that may be the feed-forward layer; what adds its output to the stream may
    be a norm behind it, and experts have several.
    """
    for module in modules:
        inside = module.modules() if isinstance(module, nn.Module) else ()
        found = [
            own
            for own in inside
            if hasattr(own, "in_features") and getattr(own, "out_features", None) == d_model
        ]
        if len(found) == 1:
            return found[0]
    return None
