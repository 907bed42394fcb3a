"""Model families: where a model keeps its layers and its image tokens. One file per family."""

from __future__ import annotations

from transformers import PretrainedConfig

from vrp_tasks.errors import SetupError
from vrp_tasks.families.base import Family
from vrp_tasks.families.llava import Llava
from vrp_tasks.families.paligemma import PaliGemma
from vrp_tasks.families.qwen2_vl import Qwen2VL

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (Llava(), PaliGemma(), Qwen2VL())
}

__all__ = ["FAMILIES", "Family", "family_of"]


def family_of(config: PretrainedConfig) -> Family:
    """The family of a checkpoint's config; SetupError for one that cannot be probed."""
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise SetupError(
            f"checkpoints of type {config.model_type!r} cannot be probed. "
            f"Types that can: {', '.join(sorted(FAMILIES))}."
        )
    return family
