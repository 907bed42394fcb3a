"""Attention to chosen positions of the prompt is blocked, in all layers or in some."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import editing
from vrp_tasks.capture.hiding import Hide
from vrp_tasks.families import Family
from vrp_tasks.interventions.checks import check_cache, check_layer


@contextmanager
def blocked_attention(
    model: PreTrainedModel,
    family: Family,
    hidden: torch.Tensor,
    *,
    layers: Collection[int] | None = None,
) -> Iterator[None]:
    """Nothing attends to some positions of the prompt, while it is read and while answers are made.

    A position that is left without any key attends to itself alone, so that its state stays finite.

    Parameters
    ----------
    model : PreTrainedModel
        In `vrp_tasks.capture.attention.capturing_attention`'s context.
    family : Family
        The model's family.
    hidden : bool tensor, shape (n_rows, T)
        True where the (left-padded) prompt is to be hidden. Where the model is run with a multiple
        of ``n_rows`` rows, each row here stands for so many neighbours there.
    layers : collection of int, optional
        Decoder layers from 0; every layer by default.

    Raises
    ------
    SetupError
        For a layer that the model does not have, or one with a sliding window.
    """
    check_cache(model)
    for layer in layers or ():
        check_layer(model, family, layer)
    with editing(Hide(hidden, None if layers is None else frozenset(layers))):
        yield
