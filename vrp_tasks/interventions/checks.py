"""Checks that the interventions share."""

from __future__ import annotations

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family


def check_layer(model: PreTrainedModel, family: Family, layer: int) -> None:
    """Raise SetupError unless the decoder has this layer."""
    n_layers = len(family.decoder(model).layers)
    if not 0 <= layer < n_layers:
        raise SetupError(
            f"layer {layer} does not exist: the {n_layers} decoder layers are 0 … {n_layers - 1}."
        )


def keeps_every_position(cache: DynamicCache) -> bool:
    """Whether no layer forgets positions, as one with a sliding window does."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def check_cache(model: PreTrainedModel) -> None:
    """Raise SetupError for a model whose cache will forget positions: columns would move."""
    if not keeps_every_position(DynamicCache(config=model.config.get_text_config())):
        raise SetupError(
            "interventions (robustness) need a cache that keeps every position; this model has "
            "layers with a sliding window."
        )


def rows_for(values: torch.Tensor, n_rows: int) -> torch.Tensor:
    """One row per row of the model's batch: each is repeated for its neighbours.

    Raises SetupError if the batch is no multiple of the rows given.
    """
    if n_rows % len(values):
        raise SetupError(
            f"an intervention for {len(values)} rows cannot be applied to a batch of {n_rows}."
        )
    return values.repeat_interleave(n_rows // len(values), dim=0)
