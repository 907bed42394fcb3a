"""Where any model keeps its decoder, found on the tree of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from vrp_tasks.errors import SetupError

_LAYERS = ("layers", "h", "blocks")
_NORMS = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f", "embedding_norm")
_INWARDS = ("model", "decoder", "language_model", "text_model")
_DEPTH = 4  # wrappers between a model and the module that owns the layers
_IMAGE_IDS = ("image_token_id", "image_token_index", "image_patch_id", "media_placeholder_token_id")


@dataclass(frozen=True)
class Body:
    """The text decoder of a model: the module, its ``layers`` and its final ``norm``."""

    module: Any
    layers: nn.ModuleList
    norm: nn.Module

    @property
    def config(self) -> PretrainedConfig:
        """Of the decoder."""
        config: PretrainedConfig = self.module.config
        return config


def find_body(model: PreTrainedModel) -> Body:
    """The decoder of a model, its layers and its final norm.

    Raises
    ------
    SetupError
        For a model that has no list of layers, or no norm behind them.
    """
    found = model.get_decoder() if hasattr(model, "get_decoder") else model
    for _ in range(_DEPTH):
        layers = next(_owned(found, _LAYERS, nn.ModuleList), None)
        if layers is not None and len(layers):
            norm = next(_owned(found, _NORMS, nn.Module), None)
            if norm is None:
                break
            return Body(found, layers, norm)
        inner = next(_owned(found, _INWARDS, nn.Module), None)
        if inner is None:
            break
        found = inner
    raise SetupError(
        f"{type(model).__name__} cannot be looked into: below {type(found).__name__} there is no "
        "list of decoder layers with a final norm behind it. access=text takes any model."
    )


def _owned(module: Any, names: tuple[str, ...], kind: type) -> Iterator[Any]:
    for name in names:
        child = getattr(module, name, None)
        if isinstance(child, kind):
            yield child


def image_token_id(config: PretrainedConfig) -> int | None:
    """The id of the prompt's image tokens, whatever a config calls it; None without one."""
    for name in _IMAGE_IDS:
        value = getattr(config, name, None)
        if isinstance(value, int):
            return value
    return None


def is_cross_attention(module: Any) -> bool:
    """Whether an attention module reads keys from outside the sequence."""
    return "cross" in type(module).__name__.lower() or bool(
        getattr(module, "is_cross_attention", False)
    )
