"""Through which of lmms-eval's model ids a checkpoint is probed."""

from __future__ import annotations

ANY = "vrp_hf"  # our own adapter: every family
# id -> config types that it loads and hands to ``generate`` as tensors, in one call per batch
STOCK: dict[str, tuple[str, ...]] = {
    "llava_hf": ("llava", "llava_next", "llava_onevision"),
    "paligemma": ("paligemma",),
    "qwen2_vl": ("qwen2_vl",),
    "qwen2_5_vl": ("qwen2_5_vl",),
    "qwen3_vl": ("qwen3_vl", "qwen3_vl_moe"),
    "qwen3_5": ("qwen3_5", "qwen3_5_moe"),
    "internvl_hf": ("internvl",),
    "gemma3": ("gemma3",),
    "gemma4": ("gemma4",),
    "mistral3_vl": ("mistral3",),
    "llama_vision": ("mllama",),
    "llama4_scout": ("llama4",),
    "idefics2": ("idefics2",),
    "lfm2_5_vl": ("lfm2_vl",),
}
# stock ids that answer with another model than the checkpoint's
REFUSED: dict[str, str] = {
    "glm4v": "it loads a dense GLM-4V checkpoint as a mixture of experts, with random weights",
}
ADAPTERS = (ANY, *STOCK)


def adapters_of(model_type: str) -> tuple[str, ...]:
    """Model ids that a checkpoint of a type is probed through, stock ones first."""
    return (*(name for name, types in STOCK.items() if model_type in types), ANY)
