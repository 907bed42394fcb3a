"""Units of a layer are set to a constant, or one of its two halves is dropped.

All positions, while the prompt is read and while answers are made. A *unit* is a dimension of the
residual stream after the layer, or an intermediate unit of its MLP (the input of its down
projection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from vrp_tasks.capture.hiding import rows_for
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.interventions.checks import check_layer

Site = Literal["residual", "mlp"]
Half = Literal["mlp", "attention"]


def n_units(model: PreTrainedModel, family: Family, layer: int, site: Site) -> int:
    """Number of units that a layer has at a site."""
    check_layer(model, family, layer)
    if site == "residual":
        return int(model.config.get_text_config().hidden_size)
    return int(family.decoder(model).layers[layer].mlp.down_proj.in_features)


@contextmanager
def ablated_units(
    model: PreTrainedModel,
    family: Family,
    layer: int,
    site: Site,
    units: torch.Tensor,
    *,
    fill: torch.Tensor | None = None,
) -> Iterator[None]:
    """Units of one layer are constant.

    Parameters
    ----------
    model, family
        The model.
    layer : int
        Decoder layer from 0.
    site : {"residual", "mlp"}
        Where the units are.
    units : bool tensor, shape (n_rows, n_units)
        True where a unit is ablated. Where the model is run with a multiple of ``n_rows`` rows,
        each row here stands for so many neighbours there.
    fill : float tensor, shape (n_rows, n_units), optional
        What stands there instead; zero by default.

    Raises
    ------
    SetupError
        For a layer that the model does not have, or a wrong number of units.
    """
    expected = n_units(model, family, layer, site)
    if units.shape[-1] != expected:
        raise SetupError(f"layer {layer} has {expected} {site} units, got {units.shape[-1]}.")

    def edit(states: torch.Tensor) -> torch.Tensor:
        chosen = rows_for(units, len(states)).to(states.device)[:, None]
        if fill is None:
            return states.masked_fill(chosen, 0.0)
        constant = rows_for(fill, len(states)).to(states.device, states.dtype)
        return torch.where(chosen, constant[:, None], states)

    block = family.decoder(model).layers[layer]
    handle = (
        block.register_forward_hook(_on_output(edit))
        if site == "residual"
        else block.mlp.down_proj.register_forward_pre_hook(_on_input(edit))
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def bypassed(
    model: PreTrainedModel,
    family: Family,
    layer: int,
    half: Half,
    *,
    rows: torch.Tensor | None = None,
) -> Iterator[None]:
    """The MLP, or the attention, of a layer adds nothing to the residual stream.

    Parameters
    ----------
    model, family
        The model.
    layer : int
        Decoder layer from 0.
    half : {"mlp", "attention"}
        What is dropped.
    rows : bool tensor, shape (n_rows,), optional
        For which rows; all by default.

    Raises
    ------
    SetupError
        For a layer that the model does not have.
    """
    check_layer(model, family, layer)

    def edit(states: torch.Tensor) -> torch.Tensor:
        if rows is None:
            return torch.zeros_like(states)
        return states.masked_fill(rows_for(rows, len(states)).to(states.device)[:, None, None], 0.0)

    block = family.decoder(model).layers[layer]
    module = block.mlp if half == "mlp" else block.self_attn
    handle = module.register_forward_hook(_on_output(edit))
    try:
        yield
    finally:
        handle.remove()


_Edit = Callable[[torch.Tensor], torch.Tensor]


def _on_output(edit: _Edit) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):  # attention returns its weights too; layers did before 5.0
            return (edit(output[0]), *output[1:])
        return edit(output)

    return hook


def _on_input(edit: _Edit) -> Callable[[nn.Module, Any], Any]:
    def hook(_module: nn.Module, args: Any) -> Any:
        return (edit(args[0]), *args[1:])

    return hook
