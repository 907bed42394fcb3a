"""How far each layer moves the image tokens, and which of them are attention sinks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from metrics.record.channels import VisionState
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured

# arXiv 2503.03321 calls a visual token a sink where a dimension exceeds 20 times its RMS
SINK_RATIO = 20.0


class VisualTokens(Observer):
    """Adds ``update_norm``, float (n_layers,), and ``sinks``, bool (n_layers, S), to ``extra``.

    And `VisionState`: the mean of the image tokens' embeddings, and the last image token's state
    after the middle layer.

    ``update_norm[l]`` is ‖h^(l+1) − h^(l)‖₂, mean over the image tokens (method §2). A token is a
    sink at layer l if the largest magnitude in its state at the layer's *input*, where attention
    reads it, exceeds `SINK_RATIO` times the state's root mean square.
    """

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        self.layers = context.family.decoder(context.model).layers
        self.is_image = context.family.image_tokens(context.model.config, context.input_ids)
        self.norms: list[torch.Tensor] = []
        self.sinks: list[torch.Tensor] = []
        self.reading = True
        self.cut: int | None = None  # a layer that was given less than the whole prompt
        self.features: torch.Tensor | None = (
            None  # embeddings of all image tokens, one after another
        )
        self.middle: torch.Tensor | None = None  # their states after the middle layer

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook the layers."""
        with ExitStack() as stack:
            for layer in self.layers:
                stack.callback(layer.register_forward_hook(self._on_layer, with_kwargs=True).remove)
            yield

    def after_prefill(self, outputs: Any) -> None:
        """Image tokens are read in the prefill only."""
        self.reading = False

    def _on_layer(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if not self.reading:
            return
        before = args[0] if args else kwargs["hidden_states"]
        after = output[0] if isinstance(output, tuple) else output
        if before.shape[:2] != self.is_image.shape:  # the last position alone reaches some layers
            self.cut = len(self.norms) if self.cut is None else self.cut
            return
        chosen = self.is_image.to(before.device)
        before, after = before[chosen].float(), after[chosen].float()
        if not self.norms:
            self.features = before
        if len(self.norms) == len(self.layers) // 2:
            self.middle = after
        rms = before.square().mean(dim=-1).sqrt()
        self.sinks.append((before.abs().amax(dim=-1) > SINK_RATIO * rms).cpu())
        self.norms.append((after - before).norm(dim=-1).cpu())

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """The image tokens of one prompt."""
        counts = self.is_image.sum(dim=1).tolist()
        if not counts[index]:
            return
        if self.cut is not None:
            item.missing["tokens"] = f"layer {self.cut} of this model does not see the image tokens"
            return
        own = slice(sum(counts[:index]), sum(counts[: index + 1]))
        item.extra["update_norm"] = torch.stack([n[own].mean() for n in self.norms]).numpy()
        item.extra["sinks"] = torch.stack([s[own] for s in self.sinks]).numpy()
        if self.features is not None and self.middle is not None:
            features, last = self.features[own].mean(dim=0), self.middle[own][-1]
            kept = VisionState(features.cpu().numpy(), last.cpu().numpy())
            item.further[VisionState.name] = kept
