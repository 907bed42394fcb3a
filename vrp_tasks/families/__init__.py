"""Model families: where a model keeps its layers and its image tokens. Declared, or found."""

from __future__ import annotations

import copy

from transformers import PretrainedConfig, PreTrainedModel

from vrp_tasks.errors import SetupError
from vrp_tasks.families.base import Family
from vrp_tasks.families.found import Found
from vrp_tasks.families.llava import Llava
from vrp_tasks.families.paligemma import PaliGemma
from vrp_tasks.families.qwen2_vl import Qwen2VL

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (Llava(), PaliGemma(), Qwen2VL())
}

__all__ = ["FAMILIES", "Family", "Found", "declared_family", "family_for", "family_of"]


def declared_family(config: PretrainedConfig) -> Family | None:
    """The family that a file of this room declares for a config; None if none does."""
    family = FAMILIES.get(config.model_type)
    known = family is not None and config.get_text_config().model_type in family.text_types
    return family if known else None


def family_for(model: PreTrainedModel) -> Family:
    """The declared family of a model, or the one found on it; the caller's own.

    Raises
    ------
    SetupError
        For a model that cannot be looked into.
    """
    declared = declared_family(model.config)
    return copy.copy(declared) if declared is not None else Found(model)


def family_of(config: PretrainedConfig) -> Family:
    """The family of a checkpoint's config; SetupError for one that cannot be probed."""
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise SetupError(
            f"checkpoints of type {config.model_type!r} cannot be probed. "
            f"Types that can: {', '.join(sorted(FAMILIES))}."
        )
    return family
