"""One prefill whose states can be left again at any layer.

What a prompt is below a decoder layer does not depend on what is done from that layer on: the
input of the layer and the K/V of the layers below it are taken from here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from vrp_tasks.capture.cache import RoomyLayer, keeps_every_position
from vrp_tasks.capture.decode_state import per_row
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.seam.cache_name import CACHE

_ROOM = 16  # answer tokens that a cache has room for before it first grows


@dataclass(frozen=True)
class Decoding:
    """How `generate` was told to choose and to stop."""

    processors: LogitsProcessorList
    criteria: StoppingCriteriaList
    eos: torch.Tensor
    pad: int

    @classmethod
    def of(
        cls,
        processors: LogitsProcessorList,
        criteria: StoppingCriteriaList,
        config: GenerationConfig,
        device: torch.device,
    ) -> Decoding:
        """From what `generate` hands to its decoding method."""
        eos, pad = config._eos_token_tensor, config._pad_token_tensor
        ends = torch.empty(0, dtype=torch.long) if eos is None else eos.flatten()
        return cls(processors, criteria, ends.to(device), int(pad) if pad is not None else 0)


class CleanPass:
    """The prefill of B prompts, and what later passes over parts of the model need of it.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    input_ids : int64 tensor, shape (B, T)
        Prompts, left-padded.
    model_kwargs : dict
        What `generate` prepared, with an empty cache.
    decoding : Decoding
        Likewise.
    keep : collection of int
        Layers whose input is kept; the number of layers stands for the last one's output, of which
        the last position is kept.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        family: Family,
        input_ids: torch.Tensor,
        model_kwargs: dict[str, Any],
        decoding: Decoding,
        *,
        keep: Collection[int],
    ) -> None:
        self.model, self.family, self.input_ids, self.decoding = model, family, input_ids, decoding
        self.layers = family.decoder(model).layers
        self.kwargs = model_kwargs
        self.inputs: dict[int, torch.Tensor] = {}
        self._layer_kwargs: dict[int, dict[str, Any]] = {}
        self._added: dict[int, torch.Tensor] = {}  # to the output of a layer before the next one
        self._put_out: torch.Tensor | None = None  # by the layer before
        self._prepared = model.prepare_inputs_for_generation(
            input_ids, is_first_iteration=True, **model_kwargs
        )
        with self._keeping(set(keep)):
            model(**self._prepared, return_dict=True)
        self.cache = model_kwargs[CACHE]
        if not keeps_every_position(self.cache):
            raise SetupError("interventions need a cache that keeps every position.")

    @contextmanager
    def _keeping(self, keep: set[int]) -> Iterator[None]:
        with ExitStack() as stack:
            for index, layer in enumerate(self.layers):
                enter = partial(self._on_input, index, keep)
                stack.callback(layer.register_forward_pre_hook(enter, with_kwargs=True).remove)
                stack.callback(layer.register_forward_hook(self._on_output).remove)
            norm = self.family.decoder(self.model).norm
            stack.callback(norm.register_forward_pre_hook(self._on_norm).remove)
            yield

    def _on_input(
        self,
        index: int,
        keep: set[int],
        _module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        state = args[0] if args else kwargs["hidden_states"]
        self._note_added(index, state)
        if index in keep:
            self.inputs[index] = state
        self._layer_kwargs[index] = {
            k: v for k, v in kwargs.items() if k not in ("hidden_states", CACHE)
        }

    def _on_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self._put_out = output[0] if isinstance(output, tuple) else output

    def _on_norm(self, _module: nn.Module, args: tuple[Any, ...]) -> None:
        self._note_added(len(self.layers), args[0])
        self.inputs[len(self.layers)] = args[0][:, -1:]

    def _note_added(self, index: int, state: torch.Tensor) -> None:
        """What stands between the layer before and what enters this one."""
        before, self._put_out = self._put_out, None
        if before is not None and before is not state:
            self._added[index - 1] = state.float() - before.float()

    def with_added(self, index: int, output: torch.Tensor, rows: int) -> torch.Tensor:
        """A layer's output, ``rows`` per prompt, as it enters the next one.

        Some models add to it in between, such as features of the image (DeepStack).
        """
        return self._plus_added(index, output, rows, sign=1)

    def without_added(self, index: int, entering: torch.Tensor, rows: int) -> torch.Tensor:
        """The inverse of `with_added`."""
        return self._plus_added(index, entering, rows, sign=-1)

    def _plus_added(self, index: int, state: torch.Tensor, rows: int, *, sign: int) -> torch.Tensor:
        if index not in self._added:
            return state
        added = self._added[index].repeat_interleave(rows, dim=0)
        if state.shape[1] == 1:  # after the last layer only the last position is kept
            added = added[:, -1:]
        return (state.float() + sign * added).to(state.dtype)

    def layer_kwargs(self, index: int, rows: int) -> dict[str, Any]:
        """What layer ``index`` is called with beside states and cache, for ``rows`` per prompt."""
        spread = dict(self._layer_kwargs[index])
        if len(self.input_ids) == 1:  # one prompt's masks and positions serve every row
            return spread
        for name, axis in (("attention_mask", 0), ("position_ids", -2)):
            if spread.get(name) is not None and spread[name].shape[axis] > 1:
                spread[name] = spread[name].repeat_interleave(rows, dim=axis)
        cos, sin = spread["position_embeddings"]
        if cos.shape[-3] > 1:
            cos, sin = (part.repeat_interleave(rows, dim=-3) for part in (cos, sin))
        return {**spread, "position_embeddings": (cos, sin)}

    def new_cache(self, start: int, rows: int) -> DynamicCache:
        """The prompts' K/V of the layers below ``start``, ``rows`` times; none from there on."""
        cache = DynamicCache(config=self.model.config.get_text_config())
        for index in range(start):
            clean = self.cache.layers[index]
            cache.layers[index] = RoomyLayer(clean, rows=rows, room=_ROOM)
        return cache

    def row_kwargs(self, cache: DynamicCache, rows: int) -> dict[str, Any]:
        """`generate`'s keyword arguments for ``rows`` rows per prompt on ``cache``."""
        spread = per_row(self.kwargs, lambda v, axis: v.repeat_interleave(rows, dim=axis))
        return {**spread, CACHE: cache}

    def embedded(self, pixel_inputs: dict[str, torch.Tensor], rows: int) -> torch.Tensor:
        """What enters layer 0 with other image inputs, ``rows`` per prompt; (B × rows, T, d)."""
        found: list[torch.Tensor] = []

        def stop(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found.append(args[0] if args else kwargs["hidden_states"])
            raise _Embedded

        cache = DynamicCache(config=self.model.config.get_text_config())
        kwargs = {**self.row_kwargs(cache, rows), **pixel_inputs}
        kwargs.pop("mm_encoder_outputs", None)  # the clean image, which `generate` has encoded
        ids = self.input_ids.repeat_interleave(rows, dim=0)
        handle = self.layers[0].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            prepared = self.model.prepare_inputs_for_generation(
                ids, is_first_iteration=True, **kwargs
            )
            self.model(**prepared, return_dict=True)
        except _Embedded:
            pass
        finally:
            handle.remove()
        return found[0]


class _Embedded(Exception):
    """The decoder's first layer has been reached."""
