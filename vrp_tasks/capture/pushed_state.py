"""The states that predict the answer's tokens, pushed away from them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from metrics.record.channels import PerturbedState
from metrics.states.perturbed_state import RADIUS, STEPS, perturbed_state_features
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.weights import UNREADABLE, plain_weight

_CERTAIN = 1e-9  # a slope shorter than this has no direction: the published code's


class PushedStates(Observer):
    """Adds `PerturbedState`: of what the unembedding reads, so behind the final norm."""

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        self.head = context.model.get_output_embeddings()
        self.states: list[torch.Tensor] = []

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the unembedding."""
        handle = self.head.register_forward_pre_hook(self._on_states)
        try:
            yield
        finally:
            handle.remove()

    def _on_states(self, _module: nn.Module, args: tuple[Any, ...]) -> None:
        recorder = self.context.recorder
        if recorder.active:
            rows = args[0].reshape(recorder.stride * recorder.batch_size, -1, args[0].shape[-1])
            self.states.append(rows[:: recorder.stride, -1].clone())

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Features of each token of the answer."""
        name, weight = PerturbedState.name, plain_weight(self.head)
        if weight is None:
            item.never[name] = UNREADABLE
            return
        if not item.tokens:
            item.missing[name] = "the answer is empty"
            return
        began = time.perf_counter()
        found = np.stack([
            self._features(self.states[step][index], token, weight)
            for step, token in enumerate(item.tokens)
        ])  # fmt: skip
        if np.isfinite(found).all():
            item.further[name] = PerturbedState(found.astype(np.float32))
        else:
            item.missing[name] = "a pushed state has no finite logits"
        item.seconds["ccps"] = time.perf_counter() - began

    def _features(self, state: torch.Tensor, token: int, weight: torch.Tensor) -> np.ndarray:
        steps = torch.arange(STEPS + 1, device=state.device)[:, None] * (RADIUS / STEPS)
        as_it_is = self.head(state[None]).float().softmax(dim=-1)[0]
        as_it_is[token] -= 1
        # the slope of −log p through a linear layer
        slope = as_it_is.to(weight.dtype) @ weight
        slope = slope.float()
        length = slope.norm()
        direction = slope / length if float(length) > _CERTAIN else torch.zeros_like(slope)
        pushed = (state.float() + steps * direction.to(state.device)).to(state.dtype)
        logits = self.head(pushed).float()
        with np.errstate(invalid="ignore"):  # what is not finite is missing, and says so
            return perturbed_state_features(
                pushed.float().cpu().numpy(), logits.cpu().numpy(), slope.cpu().numpy(), token
            )
