"""Checks that the interventions share."""

from __future__ import annotations

from transformers import DynamicCache, PreTrainedModel

from vrp_tasks.capture.cache import keeps_every_position
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family


def check_layer(model: PreTrainedModel, family: Family, layer: int) -> None:
    """Raise SetupError unless the decoder has this layer."""
    n_layers = len(family.decoder(model).layers)
    if not 0 <= layer < n_layers:
        raise SetupError(
            f"layer {layer} does not exist: the {n_layers} decoder layers are 0 … {n_layers - 1}."
        )


def cache_complaint(model: PreTrainedModel) -> str | None:
    """Why columns of a model's cache would move, or None."""
    if keeps_every_position(DynamicCache(config=model.config.get_text_config())):
        return None
    return "its cache forgets positions (a sliding window, linear attention or convolutions)"


def check_cache(model: PreTrainedModel) -> None:
    """Raise SetupError for a model whose cache will forget positions."""
    if (why := cache_complaint(model)) is not None:
        raise SetupError(f"interventions (robustness) cannot be had of this model: {why}.")
