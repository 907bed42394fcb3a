"""A small config of any model type: the class's own defaults, with every size replaced."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PretrainedConfig

from tests.vrp_tasks.helpers.zoo.tokens import VOCABULARY

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, INNER = 64, 4, 4, 2, 16, 96
_SIZES = {
    "hidden_size": WIDTH, "d_model": WIDTH, "projection_dim": WIDTH, "depth": 2,
    "num_hidden_layers": LAYERS, "encoder_layers": 2, "decoder_layers": 2,
    "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "num_heads": HEADS,
    "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS, "head_dim": HEAD,
    "global_head_dim": HEAD, "intermediate_size": INNER, "ffn_dim": INNER,
    "encoder_ffn_dim": INNER, "decoder_ffn_dim": INNER, "moe_intermediate_size": INNER,
    "shared_expert_intermediate_size": INNER, "num_experts": 4, "n_routed_experts": 4,
    "num_local_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1, "max_position_embeddings": 4096,
    "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 16, "qk_head_dim": 16, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
    "vocab_size": VOCABULARY,
}  # fmt: skip
_BY_LAYER = ("layer_types", "no_rope_layers", "moe_layers", "mlp_layer_types")
_VISION = ("vision", "vq", "visual", "vit")


def small_config(model_type: str, changes: dict[str, Any]) -> PretrainedConfig:
    """Defaults made small, then ``changes``; a key with ``=`` in front replaces a whole part."""
    default = AutoConfig.for_model(model_type)
    small = _merged(_shrunk(default.to_dict()), changes)
    small.pop("_attn_implementation", None)
    return type(default).from_dict(small)


def _shrunk(config: dict[str, Any], part: str = "") -> dict[str, Any]:
    small = {}
    for name, value in config.items():
        if isinstance(value, dict) and name.endswith("_config"):
            small[name] = _shrunk(value, name)
        elif name in _BY_LAYER and isinstance(value, list):
            continue
        elif name in _SIZES and isinstance(value, (int, float)) and not isinstance(value, bool):
            is_vision = any(word in part for word in _VISION)
            small[name] = 3 if is_vision and name == "num_hidden_layers" else _SIZES[name]
        else:
            small[name] = value
    return small


def _merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(name), dict):
            config[name] = _merged(config[name], value)
        else:
            config[name.removeprefix("=")] = value
    return config
