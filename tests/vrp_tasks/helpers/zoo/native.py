"""Architectures that take an image at its own size."""

from __future__ import annotations

from typing import Any

from tests.vrp_tasks.helpers.zoo.recipes import Recipe, of, recipe, square
from tests.vrp_tasks.helpers.zoo.tokens import VOCABULARY, ends, ids, tokenizer

_PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 16 * 96 * 96}
_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
_ROPE3 = {**_ROPE, "mrope_interleaved": True}


def _qwen(
    model_type: str, processor: str, video: str, vision: dict[str, Any], text: dict[str, Any]
) -> Recipe:
    t = tokenizer(
        image_token="<|image_pad|>", video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>", vision_end_token="<|vision_end|>",
    )  # fmt: skip
    own = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "size": _PIXELS}
    made = of(
        processor, image_processor=of("Qwen2VLImageProcessor", **own), tokenizer=t,
        video_processor=of(video, **own),
    )  # fmt: skip
    changes = {
        "vision_config": {
            "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, **vision,
        },
        "text_config": {**ends(t), **text},
        **ids(
            t, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>",
            vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>",
        ),
    }  # fmt: skip
    return Recipe(model_type, changes, made, "<|vision_start|><|image_pad|><|vision_end|>")


@recipe
def qwen2_5_vl() -> Recipe:
    vision = {"out_hidden_size": 64, "window_size": 32, "fullatt_block_indexes": [1]}
    return _qwen(
        "qwen2_5_vl", "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor", vision,
        {"rope_parameters": _ROPE},
    )  # fmt: skip


@recipe
def qwen3_vl() -> Recipe:
    """DeepStack: features of inner vision layers are added after the first decoder layers."""
    vision = {
        "out_hidden_size": 64, "num_position_embeddings": 64, "depth": 3,
        "deepstack_visual_indexes": [0, 1],
    }  # fmt: skip
    return _qwen(
        "qwen3_vl", "Qwen3VLProcessor", "Qwen3VLVideoProcessor", vision,
        {"rope_parameters": _ROPE3},
    )  # fmt: skip


@recipe
def qwen3_vl_moe() -> Recipe:
    vision = {
        "out_hidden_size": 64, "num_position_embeddings": 64, "depth": 3,
        "deepstack_visual_indexes": [0, 1],
    }  # fmt: skip
    return _qwen(
        "qwen3_vl_moe", "Qwen3VLProcessor", "Qwen3VLVideoProcessor", vision,
        {"rope_parameters": _ROPE3},
    )  # fmt: skip


@recipe
def qwen3_5() -> Recipe:
    """Every other layer is linear attention."""
    text = {
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "rope_parameters": {**_ROPE3, "partial_rotary_factor": 1.0},
    }
    vision = {"out_hidden_size": 64, "num_position_embeddings": 64}
    return _qwen("qwen3_5", "Qwen3VLProcessor", "Qwen3VLVideoProcessor", vision, text)


@recipe
def qwen3_5_moe() -> Recipe:
    text = {
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "rope_parameters": {**_ROPE3, "partial_rotary_factor": 1.0},
    }
    vision = {"out_hidden_size": 64, "num_position_embeddings": 64}
    return _qwen("qwen3_5_moe", "Qwen3VLProcessor", "Qwen3VLVideoProcessor", vision, text)


def _glm(model_type: str, prefix: str) -> Recipe:
    t = tokenizer(image_token="<|image|>", video_token="<|video|>")
    own = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "size": _PIXELS}
    made = of(
        prefix + "Processor", image_processor=of(prefix + "ImageProcessor", **own), tokenizer=t,
        video_processor=of(prefix + "VideoProcessor", **own),
    )  # fmt: skip
    rope = {**_ROPE, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
    changes = {
        "vision_config": {
            "patch_size": 8, "image_size": 96, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": 64, "intermediate_size": 96,
        },
        "text_config": {**ends(t), "rope_parameters": rope},
        **ids(
            t, image_token_id="<|image|>", video_token_id="<|video|>",
            image_start_token_id="<|begin_of_image|>", image_end_token_id="<|end_of_image|>",
            video_start_token_id="<|begin_of_video|>", video_end_token_id="<|end_of_video|>",
        ),
    }  # fmt: skip
    return Recipe(model_type, changes, made, "<|begin_of_image|><|image|><|end_of_image|>")


@recipe
def glm4v() -> Recipe:
    """Norms behind attention and MLP."""
    return _glm("glm4v", "Glm4v")


@recipe
def glm46v() -> Recipe:
    return _glm("glm46v", "Glm46V")


@recipe
def glm4v_moe() -> Recipe:
    return _glm("glm4v_moe", "Glm4v")


@recipe
def mistral3() -> Recipe:
    t = tokenizer(
        bos=True, image_token="[IMG]", image_break_token="[IMG_BREAK]", image_end_token="[IMG_END]"
    )
    images = of("PixtralImageProcessor", size={"longest_edge": 96}, patch_size=square(4))
    made = of(
        "PixtralProcessor", image_processor=images, tokenizer=t, patch_size=4, spatial_merge_size=2
    )
    changes = {
        "vision_config": {"image_size": 96, "patch_size": 4},
        "text_config": {**ends(t), "sliding_window": None}, "spatial_merge_size": 2,
        **ids(t, image_token_index="[IMG]", image_token_id="[IMG]"),
    }  # fmt: skip
    return Recipe("mistral3", changes, made, "[IMG]")


@recipe
def pixtral() -> Recipe:
    """LLaVA's model around Pixtral's vision tower."""
    made = mistral3().processor
    made.spatial_merge_size = 1
    text = of(
        "MistralConfig", hidden_size=64, num_hidden_layers=4, intermediate_size=96,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=VOCABULARY,
        sliding_window=None, **ends(made.tokenizer),
    ).to_dict()  # fmt: skip
    vision = of(
        "PixtralVisionConfig", hidden_size=64, intermediate_size=96, num_hidden_layers=3,
        num_attention_heads=4, image_size=96, patch_size=4,
    ).to_dict()  # fmt: skip
    changes = {
        "=vision_config": vision, "=text_config": text, "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        **ids(made.tokenizer, image_token_index="[IMG]", image_token_id="[IMG]"),
    }  # fmt: skip
    return Recipe("llava", changes, made, "[IMG]")


@recipe
def lighton_ocr() -> Recipe:
    base = mistral3()
    images = of("PixtralImageProcessor", size={"longest_edge": 96}, patch_size=square(4))
    t = tokenizer(image_token="<|image_pad|>", image_break_token="<|vision_start|>",
                  image_end_token="<|vision_end|>")  # fmt: skip
    made = of("LightOnOcrProcessor", image_processor=images, tokenizer=t, patch_size=4,
              spatial_merge_size=2)  # fmt: skip
    changes = {
        **base.changes, "text_config": ends(t),
        **ids(t, image_token_index="<|image_pad|>", image_token_id="<|image_pad|>"),
    }  # fmt: skip
    return Recipe("lighton_ocr", changes, made, "<|image_pad|>")


@recipe
def gemma4() -> Recipe:
    """Windows, keys and values shared by the last layers, an input per layer."""
    t = tokenizer(
        bos=True, image_token="<image_soft_token>", boi_token="<start_of_image>",
        eoi_token="<end_of_image>", audio_token="<|audio|>", boa_token="<audio>",
        eoa_token="<|eoa|>",
    )  # fmt: skip
    own = {"patch_size": 4, "pooling_kernel_size": 2}
    made = of(
        "Gemma4Processor", feature_extractor=of("Gemma4AudioFeatureExtractor"), tokenizer=t,
        image_processor=of("Gemma4ImageProcessor", max_soft_tokens=70, **own),
        video_processor=of("Gemma4VideoProcessor", **own),
    )  # fmt: skip
    changes = {
        "vision_config": {
            **own, "position_embedding_size": 512, "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4,
            "head_dim": 16,
        },
        "audio_config": None,
        "text_config": {
            **ends(t), "sliding_window": 24, "per_layer_config": None, "num_kv_shared_layers": 2,
            "layer_types": ["sliding_attention", "full_attention"] * 2, "global_head_dim": 16,
            "hidden_size_per_layer_input": 16, "num_hidden_layers": 4,
            "vocab_size_per_layer_input": VOCABULARY, "num_global_key_value_heads": None,
        },
        **ids(
            t, image_token_id="<image_soft_token>", boi_token_id="<start_of_image>",
            eoi_token_id="<end_of_image>", video_token_id="<|video|>", audio_token_id="<|audio|>",
            boa_token_id="<audio>",
        ),
    }  # fmt: skip
    return Recipe("gemma4", changes, made, "<image_soft_token>")


@recipe
def kimi_k25() -> Recipe:
    """Multi-head latent attention."""
    t = tokenizer(image_token="<|media_pad|>", video_token="<|kimi_k25_video_placeholder|>")
    made = of(
        "Kimi_K25Processor", tokenizer=t,
        image_processor=of("Kimi_K25ImageProcessor", patch_size=8, merge_size=2),
        video_processor=of("Kimi_K25VideoProcessor", patch_size=8, merge_size=2),
    )  # fmt: skip
    changes = {
        "vision_config": {"patch_size": 8, "pos_emb_height": 8, "pos_emb_width": 8},
        "text_config": {**ends(t), "head_dim": 8, "num_key_value_heads": 4},
        "projection_hidden_size": 64,
        **ids(
            t, image_token_id="<|media_pad|>", video_token_id="<|kimi_k25_video_placeholder|>"
        ),
    }  # fmt: skip
    marker = "<|media_begin|>image<|media_content|><|media_pad|><|media_end|>"
    return Recipe("kimi_k25", changes, made, marker)


@recipe
def ernie4_5_vl() -> Recipe:
    t = tokenizer(
        image_token="<|IMAGE_PLACEHOLDER|>", image_start_token="<|IMAGE_START|>",
        image_end_token="<|IMAGE_END|>", video_token="<|VIDEO_PLACEHOLDER|>",
        video_start_token="<|VIDEO_START|>", video_end_token="<|VIDEO_END|>",
    )  # fmt: skip
    made = of(
        "Ernie4_5_VLMoeProcessor", tokenizer=t,
        image_processor=of(
            "Ernie4_5_VLMoeImageProcessor", patch_size=8, merge_size=2, size=_PIXELS
        ),
        video_processor=of("Ernie4_5_VLMoeVideoProcessor", patch_size=8, merge_size=2),
    )  # fmt: skip
    text = {
        **ends(t), "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
        "moe_intermediate_size": [96, 96], "moe_num_experts": 4, "moe_k": 2,
        "moe_num_shared_experts": 1, "rope_parameters": {**_ROPE, "mrope_section": [3, 3, 2]},
    }  # fmt: skip
    changes = {
        "vision_config": {"patch_size": 8, "spatial_merge_size": 2}, "text_config": text,
        **ids(
            t, image_token_id="<|IMAGE_PLACEHOLDER|>", image_start_token_id="<|IMAGE_START|>",
            image_end_token_id="<|IMAGE_END|>", video_token_id="<|VIDEO_PLACEHOLDER|>",
            video_start_token_id="<|VIDEO_START|>", video_end_token_id="<|VIDEO_END|>",
        ),
    }  # fmt: skip
    marker = "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"
    return Recipe("ernie4_5_vl_moe", changes, made, marker)
