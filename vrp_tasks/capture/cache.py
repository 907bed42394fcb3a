"""The prompt's KV cache made ready for the samples: shared where it can be, else repeated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from vrp_tasks.capture.attention import Attended
from vrp_tasks.capture.buffers import StateBuffer
from vrp_tasks.capture.shared_prompt import SharedLayer


class RoomyLayer(DynamicLayer):
    """A dynamic layer, its states repeated, whose tensors are views into larger buffers."""

    def __init__(self, layer: DynamicLayer, *, rows: int, room: int) -> None:
        super().__init__()
        self.dtype, self.device = layer.keys.dtype, layer.keys.device
        self.is_initialized = True
        self._buffers = [
            StateBuffer(states, rows=rows, room=room) for states in (layer.keys, layer.values)
        ]
        self.keys, self.values = (buffer.held for buffer in self._buffers)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states, shape (rows, n_kv_heads, new, head_dim); returns all of them."""
        self.keys, self.values = (
            buffer.append(states)
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True)
        )
        return self.keys, self.values


class Straight:
    """Hears in the prefill which cache layers' own tensors are attended with, nothing made of them.

    Only there may a layer return something that is not one row for each query.
    """

    def __init__(self) -> None:
        self._keys: list[torch.Tensor] = []

    def on_attention(self, attended: Attended) -> None:
        """Called once per layer and forward pass."""
        self._keys.append(attended.key)

    def layers(self, cache: Cache) -> list[int]:
        """Numbers of those layers that are plain dynamic ones."""
        return [
            index
            for index, layer in enumerate(cache.layers)
            if type(layer) is DynamicLayer and any(layer.keys is key for key in self._keys)
        ]


def spread_cache(cache: Cache, *, rows: int, room: int, shared: Collection[int] = ()) -> None:
    """Make every prompt's states serve ``rows`` rows, in place, with ``room`` for new tokens.

    Those of ``shared`` layers are kept once, those of others repeated. Layers of other kinds than
    the plain dynamic one (sliding windows, the states of linear attention and convolutions) are
    repeated as they are.
    """
    for index, layer in enumerate(cache.layers):
        if index in shared:
            cache.layers[index] = SharedLayer(layer, rows=rows, room=room)
        elif type(layer) is DynamicLayer and layer.get_seq_length():
            cache.layers[index] = RoomyLayer(layer, rows=rows, room=room)
        else:
            choose_rows(layer, lambda own: own.repeat_interleave(rows))


def keeps_every_position(cache: Cache) -> bool:
    """Whether no layer forgets positions, as one with a sliding window does."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def choose_rows(layer: Any, choose: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Keep some rows of a layer, in place, by `reorder_cache`, which every kind of layer has.

    ``choose`` gets the numbers of the rows, and returns those that there are to be.
    """
    held = [*_tensors(vars(layer).values())]
    if held:  # a layer that shares another's keys and values holds none
        layer.reorder_cache(choose(torch.arange(len(held[0]), device=held[0].device)))


def _tensors(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Tensors with rows among a layer's attributes; states by kind stand in a dictionary."""
    for value in values:
        if isinstance(value, dict):
            yield from _tensors(value.values())
        elif isinstance(value, torch.Tensor) and value.ndim > 1 and value.numel():
            yield value
