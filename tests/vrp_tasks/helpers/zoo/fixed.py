"""Architectures that bring every image to one size, or reduce it to a fixed number of tokens."""

from __future__ import annotations

from typing import Any

from tests.vrp_tasks.helpers.zoo.recipes import Recipe, of, recipe, square
from tests.vrp_tasks.helpers.zoo.tokens import VOCABULARY, ends, ids, tokenizer

_VISION = {"image_size": 32, "patch_size": 4}
_TEXT = {
    "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 96, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": VOCABULARY,
}  # fmt: skip


def _clip(**text: Any) -> Recipe:
    t = tokenizer(bos=True, image_token="<image>")
    images = of("CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=square(32))
    made = of(
        "LlavaProcessor", image_processor=images, tokenizer=t, patch_size=4,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    changes = {
        "vision_config": _VISION, **(text or {"text_config": ends(t)}),
        **ids(t, image_token_index="<image>", image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("llava", changes, made, "<image>\n")


@recipe
def llava() -> Recipe:
    """The declared family, through what is found on the model."""
    return _clip()


@recipe
def llava_gpt_oss() -> Recipe:
    """A decoder with attention sinks: its rows sum to less than 1."""
    text = of(
        "GptOssConfig", **_TEXT, num_local_experts=4, num_experts_per_tok=2, sliding_window=12,
        **ends(tokenizer()),
    ).to_dict()  # fmt: skip
    return _clip(**{"=text_config": text})


@recipe
def vipllava() -> Recipe:
    base = _clip()
    changes = {**base.changes, "vision_feature_layers": [-2, -3]}
    return Recipe("vipllava", changes, base.processor, base.marker)


@recipe
def qwen2_vl() -> Recipe:
    """The declared family, through what is found on the model."""
    from tests.vrp_tasks.helpers.zoo.native import _ROPE, _qwen

    return _qwen(
        "qwen2_vl", "Qwen2VLProcessor", "Qwen2VLVideoProcessor",
        {"embed_dim": 64, "hidden_size": 64}, {"rope_parameters": _ROPE},
    )  # fmt: skip


@recipe
def gemma3() -> Recipe:
    """Every other layer has a window, and norms stand behind attention and MLP."""
    t = tokenizer(
        bos=True, boi_token="<start_of_image>", eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
    )  # fmt: skip
    images = of("Gemma3ImageProcessor", size=square(32))
    made = of("Gemma3Processor", image_processor=images, tokenizer=t, image_seq_length=16)
    changes = {
        "vision_config": _VISION, "mm_tokens_per_image": 16,
        "text_config": {
            **ends(t), "sliding_window": 12, "query_pre_attn_scalar": 16,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
        **ids(
            t, boi_token_index="<start_of_image>", eoi_token_index="<end_of_image>",
            image_token_index="<image_soft_token>", boi_token_id="<start_of_image>",
            eoi_token_id="<end_of_image>", image_token_id="<image_soft_token>",
        ),
    }  # fmt: skip
    return Recipe("gemma3", changes, made, "<start_of_image>")


@recipe
def paligemma2() -> Recipe:
    """Scores are capped, so transformers runs it eagerly (before 5.21 by SDPA, without the cap);
    image and prompt attend both ways.
    """
    t = tokenizer(image_token="<image>")
    images = of("SiglipImageProcessor", size=square(32))
    images.image_seq_length = 64
    made = of("PaliGemmaProcessor", images, t)
    text = of(
        "Gemma2Config", **_TEXT, sliding_window=40, query_pre_attn_scalar=16,
        attn_logit_softcapping=5.0, **ends(t),
    ).to_dict()  # fmt: skip
    changes = {
        "vision_config": {**_VISION, "projection_dim": 64, "vision_use_head": False},
        "=text_config": text, "projection_dim": 64, "hidden_size": 64, **ends(t),
        **ids(t, image_token_index="<image>", image_token_id="<image>"),
    }  # fmt: skip
    # before 5.21 transformers chose SDPA, which drops the cap
    return Recipe("paligemma", changes, made, "<image>", attention={"text_config": "eager"})


@recipe
def idefics2() -> Recipe:
    """A perceiver: its tokens stand for no place."""
    t = tokenizer(
        image_token="<image>", image_boundary_token="<fake_token_around_image>",
        end_of_utterance_token="<end_of_utterance>",
    )  # fmt: skip
    size = {"shortest_edge": 24, "longest_edge": 64}
    images = of("Idefics2ImageProcessor", size=size, do_image_splitting=False)
    made = of("Idefics2Processor", images, t, image_seq_len=16)
    changes = {
        "vision_config": {"image_size": 64, "patch_size": 4},
        "perceiver_config": {
            "resampler_n_latents": 16, "resampler_depth": 2, "resampler_n_heads": 4,
            "resampler_head_dim": 16, "num_key_value_heads": 2,
        },
        "text_config": ends(t), **ids(t, image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("idefics2", changes, made, "<image>")


@recipe
def deepseek_vl() -> Recipe:
    t = tokenizer(bos=True, image_token="<image_placeholder>")
    images = of("DeepseekVLImageProcessor", size=square(32))
    made = of("DeepseekVLProcessor", images, t, num_image_tokens=64)
    changes = {
        "vision_config": _VISION, "text_config": ends(t),
        **ids(t, image_token_id="<image_placeholder>"),
    }  # fmt: skip
    return Recipe("deepseek_vl", changes, made, "<image_placeholder>")


@recipe
def janus() -> Recipe:
    t = tokenizer(
        bos=True, image_token="<image_placeholder>", boi_token="<begin_of_image>",
        eoi_token="<end_of_image>",
    )  # fmt: skip
    made = of("JanusProcessor", of("JanusImageProcessor", size=square(32)), t, num_image_tokens=64)
    changes = {
        "vision_config": {**_VISION, "projection_dim": 64, "num_image_tokens": 64},
        "text_config": ends(t),
        "vq_config": {
            "base_channels": 32, "channel_multiplier": [1, 1], "num_res_blocks": 1, "embed_dim": 8,
            "latent_channels": 32, "num_embeddings": 64, "image_token_embed_dim": 64,
            "projection_dim": 64,
        },
        **ids(t, image_token_id="<image_placeholder>"),
    }  # fmt: skip
    return Recipe("janus", changes, made, "<image_placeholder>")


@recipe
def mllama() -> Recipe:
    """Cross-attention layers: the image is no part of the prompt."""
    t = tokenizer(bos=True, image_token="<|image|>")
    made = of("MllamaProcessor", of("MllamaImageProcessor", size=square(32), max_image_tiles=4), t)
    ratios = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
    changes = {
        "vision_config": {
            "image_size": 32, "patch_size": 8, "num_global_layers": 1, "num_hidden_layers": 3,
            "attention_heads": 4, "intermediate_layers_indices": [0, 1], "max_num_tiles": 4,
            "vision_output_dim": 64 * 3, "supported_aspect_ratios": ratios,
        },
        "text_config": {**ends(t), "cross_attention_layers": [1, 3]},
        **ids(t, image_token_index="<|image|>", image_token_id="<|image|>"),
    }  # fmt: skip
    return Recipe("mllama", changes, made, "<|image|>")
