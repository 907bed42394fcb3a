"""The modules of a layer whose outputs sum to what the layer adds, found by trying.

A layer adds the output of its attention and of its MLP to the stream, unless norms or gates stand
behind them: Gemma 2 and later normalise each before it is added, so that there the norms are the
parts. No name says so; the sum does.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from vrp_tasks.families.anatomy import Body

# rounding of a sum of two in units of the dtype's step and of what is added
_TOLERANCE = 4.0
_LEAST_STEP = 1e-6  # kernels for float32 differ in how they sum


@dataclass(frozen=True)
class Block:
    """What one layer adds to the stream.

    Attributes
    ----------
    attention, mlp : nn.Module
        Their outputs sum to it; in a layer without attention the first is what mixes positions.
    projection : nn.Module or None
        The linear layer through which heads write; its output is the attention's. None where
        something stands between the heads and the stream.
    """

    attention: nn.Module
    mlp: nn.Module
    projection: nn.Module | None


def misses(
    added: torch.Tensor, parts: torch.Tensor, states: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    r"""How far the parts are from what was added, in units of what rounding explains.

    .. math:: \lVert \Delta h - p \rVert / (4 \epsilon (\lVert h \rVert + \lVert p \rVert))

    with :math:`\epsilon` the step of the dtype. Above 1 the parts are others.

    Parameters
    ----------
    added, parts, states : float tensor, shape (..., d_model)
        What the layer added, what the parts sum to, the layer's output.
    dtype : torch.dtype
        Of the layer's arithmetic.

    Returns
    -------
    float32 tensor, shape (...)
    """
    step = max(torch.finfo(dtype).eps, _LEAST_STEP)
    size = states.float().norm(dim=-1) + parts.float().norm(dim=-1)
    apart = (added.float() - parts.float()).norm(dim=-1)
    found: torch.Tensor = apart / (_TOLERANCE * step * size).clamp_min(1e-30)
    return found


@torch.no_grad()
def find_blocks(
    model: PreTrainedModel, body: Body, inputs: dict[str, torch.Tensor]
) -> list[Block] | str:
    """The parts of every layer, or why they are not known.

    Parameters
    ----------
    model : PreTrainedModel
    body : Body
        Its decoder.
    inputs : dict of tensor
        A prompt; the model is run on it once.
    """
    seen = _Seen(body)
    with seen.attached():
        model(**inputs)
    blocks = []
    for index, layer in enumerate(body.layers):
        pair = seen.pair(index, layer)
        if isinstance(pair, str):
            return pair
        blocks.append(Block(*pair, seen.projection(pair[0])))
    return blocks


class _Seen:
    """Outputs at the last position, of every layer and of the modules inside it."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.before: dict[int, torch.Tensor] = {}
        self.output: dict[nn.Module, torch.Tensor] = {}  # in the order of the calls

    def attached(self) -> ExitStack:
        stack = ExitStack()
        for index, layer in enumerate(self.body.layers):
            hook = layer.register_forward_pre_hook(self._on_input(index), with_kwargs=True)
            stack.callback(hook.remove)
            for module in layer.modules():
                stack.callback(module.register_forward_hook(self._on_output(index)).remove)
        return stack

    def _on_input(self, index: int) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.before[index] = args[0] if args else kwargs["hidden_states"]

        return hook

    def _on_output(self, index: int) -> Any:
        def hook(module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
            states, like = output[0] if isinstance(output, tuple) else output, self.before[index]
            if isinstance(states, torch.Tensor) and states.numel() == like.numel():
                self.output[module] = states.reshape(like.shape)[:, -1]

        return hook

    def pair(self, index: int, layer: nn.Module) -> tuple[nn.Module, nn.Module] | str:
        if index not in self.before or layer not in self.output:
            return f"decoder layer {index} was not run, or returns no states"
        after = self.output[layer]
        added = after.float() - self.before[index][:, -1].float()
        children = [module for module in self.output if module in set(layer.children())]
        found = {pair: self._misses(added, pair, after) for pair in combinations(children, 2)}
        best = min(found, key=lambda pair: found[pair], default=None)
        if best is None or not found[best] <= 1:
            return (
                f"decoder layer {index} ({type(layer).__name__}) adds something else than the "
                "outputs of two of its modules"
            )
        return best

    def _misses(
        self, added: torch.Tensor, pair: tuple[nn.Module, ...], after: torch.Tensor
    ) -> float:
        first, second = (self.output[module].float() for module in pair)
        return float(misses(added, first + second, after, after.dtype).max())

    def projection(self, attention: nn.Module) -> nn.Module | None:
        """The last linear layer of an attention module, if the module returns what it makes."""
        inside = [m for m in attention.modules() if m is not attention and m in self.output]
        called = [m for m in self.output if m in inside and hasattr(m, "in_features")]
        if not called or not torch.equal(self.output[called[-1]], self.output[attention]):
            return None
        return called[-1]
