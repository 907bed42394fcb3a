"""Architectures that cut an image into tiles, most with the whole image beside them."""

from __future__ import annotations

from tests.vrp_tasks.helpers.zoo.recipes import Recipe, of, only, recipe, square
from tests.vrp_tasks.helpers.zoo.tokens import ends, ids, tokenizer

_VISION = {"image_size": 32, "patch_size": 4}
_PINPOINTS = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
_WINDOWS = {
    "sliding_window": 24,
    "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
}


@recipe
def internvl() -> Recipe:
    t = tokenizer(
        start_image_token="<img>", end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>", video_token="<video>",
    )  # fmt: skip
    images = of(
        "GotOcr2ImageProcessor", size=square(32), crop_to_patches=True, min_patches=1,
        max_patches=6,
    )  # fmt: skip
    videos = of("InternVLVideoProcessor", size=square(32))
    made = of("InternVLProcessor", image_processor=images, tokenizer=t, video_processor=videos,
              image_seq_length=16)  # fmt: skip
    changes = {
        "vision_config": {"image_size": [32, 32], "patch_size": [4, 4]}, "text_config": ends(t),
        "downsample_ratio": 0.5, **ids(t, image_token_id="<IMG_CONTEXT>"),
    }  # fmt: skip
    return Recipe("internvl", changes, made, "<IMG_CONTEXT>\n")


@recipe
def llava_next() -> Recipe:
    t = tokenizer(bos=True, image_token="<image>")
    images = of(
        "LlavaNextImageProcessor", size={"shortest_edge": 32}, crop_size=square(32),
        image_grid_pinpoints=_PINPOINTS,
    )  # fmt: skip
    made = of(
        "LlavaNextProcessor", image_processor=images, tokenizer=t, patch_size=4,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    changes = {
        "vision_config": _VISION, "text_config": ends(t), "image_grid_pinpoints": _PINPOINTS,
        **ids(t, image_token_index="<image>", image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("llava_next", changes, made, "<image>\n")


@recipe
def llava_onevision() -> Recipe:
    t = tokenizer(image_token="<image>", video_token="<video>")
    pinpoints = [[32 * i, 32 * j] for i in range(1, 4) for j in range(1, 4)]
    images = of("LlavaOnevisionImageProcessor", size=square(32), image_grid_pinpoints=pinpoints)
    videos = of("LlavaOnevisionVideoProcessor", size=square(32))
    made = of(
        "LlavaOnevisionProcessor", image_processor=images, tokenizer=t, video_processor=videos,
        num_image_tokens=64, vision_feature_select_strategy="full",
    )  # fmt: skip
    changes = {
        "vision_config": _VISION, "text_config": ends(t), "image_grid_pinpoints": pinpoints,
        **ids(
            t, image_token_index="<image>", image_token_id="<image>",
            video_token_index="<video>", video_token_id="<video>",
        ),
    }  # fmt: skip
    return Recipe("llava_onevision", changes, made, "<image>\n")


@recipe
def granite4_vision() -> Recipe:
    """The image enters between the layers; its embeddings at the input are all alike."""
    t = tokenizer(image_token="<image>")
    images = of(
        "LlavaNextImageProcessor", size={"shortest_edge": 32}, crop_size=square(32),
        image_grid_pinpoints=_PINPOINTS,
    )  # fmt: skip
    made = of(
        "Granite4VisionProcessor", image_processor=images, tokenizer=t, patch_size=4,
        vision_feature_select_strategy="full", downsample_rate="1/2",
    )  # fmt: skip
    changes = {
        "vision_config": {**_VISION, "model_type": "clip_vision_model"},
        "text_config": {**ends(t), "model_type": "granite4_vision_text"},
        "qformer_config": {
            "intermediate_size": 96, "encoder_hidden_size": 64, "num_attention_heads": 1,
        },
        "image_grid_pinpoints": _PINPOINTS, "downsample_rate": "1/2",
        "deepstack_layer_map": [[-1, 0], [0, 1]], "spatial_target_layers": [0, 1, 2, 3],
        **ids(t, image_token_index="<image>", image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("granite4_vision", changes, made, "<image>\n")


@recipe
def idefics3() -> Recipe:
    t = tokenizer(
        image_token="<image>", fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>", end_of_utterance_token="<end_of_utterance>",
        video_token="<video>",
    )  # fmt: skip
    size = {"longest_edge": 96}
    images = of("Idefics3ImageProcessor", size=size, max_image_size={"longest_edge": 32})
    made = of("Idefics3Processor", images, t, image_seq_len=16)
    changes = {
        "vision_config": _VISION, "text_config": ends(t), "scale_factor": 2,
        "pad_token_id": t.pad_token_id, **ids(t, image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("idefics3", changes, made, "<image>")


@recipe
@only("!=5.24.0", "its forward asks for outputs that its decoder does not give")
def llama4() -> Recipe:
    """Chunked attention, experts that return their router's logits too."""
    t = tokenizer(bos=True, image_token="<|image|>")
    images = of("Llama4ImageProcessor", size=square(32), max_patches=6)
    made = of("Llama4Processor", images, t, patch_size=4, pixel_shuffle_ratio=0.5)
    changes = {
        "vision_config": {
            **_VISION, "vision_output_dim": 64, "projector_input_dim": 64,
            "projector_output_dim": 64, "intermediate_size": 256, "num_hidden_layers": 2,
        },
        "text_config": {
            **ends(t), "intermediate_size_mlp": 96, "attention_chunk_size": 32,
            "moe_layers": [1, 3],
        },
        **ids(
            t, image_token_index="<|patch|>", image_token_id="<|patch|>",
            boi_token_index="<|image_start|>", eoi_token_index="<|image_end|>",
        ),
    }  # fmt: skip
    return Recipe("llama4", changes, made, "<|image|>")


@recipe
def aya_vision() -> Recipe:
    """Attention and MLP in parallel, windows, a LayerNorm at the end."""
    t = tokenizer(bos=True)
    images = of("GotOcr2ImageProcessor", size=square(32), crop_to_patches=True, max_patches=6)
    made = of(
        "AyaVisionProcessor", image_processor=images, tokenizer=t, patch_size=4, img_size=32,
        image_token="<image>", downsample_factor=2, start_of_img_token="<|START_OF_IMG|>",
        end_of_img_token="<|END_OF_IMG|>", img_patch_token="<|IMG_PATCH|>",
        img_line_break_token="<|IMG_LINE_BREAK|>", tile_token="<tile>",
        tile_global_token="TILE_GLOBAL",
    )  # fmt: skip
    changes = {
        "vision_config": _VISION, "text_config": {**ends(t), **_WINDOWS}, "downsample_factor": 2,
        "alignment_intermediate_size": 96,
        **ids(t, image_token_index="<|IMG_PATCH|>", image_token_id="<|IMG_PATCH|>"),
    }  # fmt: skip
    return Recipe("aya_vision", changes, made, "<image>")


@recipe
def cohere2_vision() -> Recipe:
    t = tokenizer(
        bos=True, image_token="<|IMG_PATCH|>", boi_token="<|START_OF_IMG|>",
        eoi_token="<|END_OF_IMG|>", img_line_break_token="<|IMG_LINE_BREAK|>",
    )  # fmt: skip
    images = of(
        "Cohere2VisionImageProcessor", size=square(32), crop_to_patches=True, max_patches=6,
        patch_size=4, downsample_factor=2,
    )  # fmt: skip
    made = of("Cohere2VisionProcessor", image_processor=images, tokenizer=t)
    changes = {
        "vision_config": _VISION, "text_config": {**ends(t), **_WINDOWS}, "downsample_factor": 2,
        "alignment_intermediate_size": 96, **ids(t, image_token_id="<|IMG_PATCH|>"),
    }  # fmt: skip
    return Recipe("cohere2_vision", changes, made, "<|IMG_PATCH|>")


@recipe
def ovis2() -> Recipe:
    t = tokenizer()
    images = of("Ovis2ImageProcessor", size=square(32), crop_to_patches=True, max_patches=4)
    made = of("Ovis2Processor", image_processor=images, tokenizer=t, image_seq_length=16)
    marks = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]
    changes = {
        "vision_config": {**_VISION, "hidden_stride": 2, "vocab_size": 128}, "hidden_size": 64,
        "text_config": ends(t), "visual_indicator_token_ids": t.convert_tokens_to_ids(marks),
        **ids(t, image_token_id="<IMG_ATOM>"),
    }  # fmt: skip
    return Recipe("ovis2", changes, made, "<image>")


@recipe
def lfm2_vl() -> Recipe:
    """Every other layer is a convolution."""
    t = tokenizer(
        image_token="<image>", image_start_token="<|image_start|>",
        image_end_token="<|image_end|>", image_thumbnail_token="<|img_thumbnail|>",
    )  # fmt: skip
    images = of(
        "Lfm2VlImageProcessor", tile_size=32, encoder_patch_size=4, min_image_tokens=4,
        max_image_tokens=32, max_num_patches=256, min_tiles=2, max_tiles=6, downsample_factor=2,
    )  # fmt: skip
    made = of("Lfm2VlProcessor", images, t)
    changes = {
        "vision_config": {"patch_size": 4, "num_patches": 64}, "downsample_factor": 2,
        "text_config": {
            **ends(t), "layer_types": ["conv", "full_attention"] * 2, "block_ff_dim": 96,
            "block_auto_adjust_ff_dim": False,
        },
        "projector_hidden_size": 64, **ids(t, image_token_id="<image>"),
    }  # fmt: skip
    return Recipe("lfm2_vl", changes, made, "<image>")


@recipe
def perception_lm() -> Recipe:
    t = tokenizer(bos=True, image_token="<|image|>", video_token="<|video|>")
    images = of("PerceptionLMImageProcessor", tile_size=32, max_num_tiles=4, size=square(32))
    videos = of("PerceptionLMVideoProcessor", size=square(32))
    made = of("PerceptionLMProcessor", image_processor=images, video_processor=videos,
              tokenizer=t, patch_size=4, pooling_ratio=2)  # fmt: skip
    tower = {
        "embed_dim": 64, "img_size": [32, 32], "depth": 2, "num_heads": 4, "patch_size": 4,
        "global_pool": "", "use_post_transformer_norm": False, "ref_feat_shape": [8, 8],
        "init_values": 0.1, "class_token": False,
    }  # fmt: skip
    changes = {
        "vision_config": {"architecture": "vit_pe_core_base_patch16_224", "model_args": tower},
        "text_config": ends(t), "projector_pooling_ratio": 2, "vision_use_cls_token": False,
        **ids(t, image_token_id="<|image|>", video_token_id="<|video|>"),
    }  # fmt: skip
    return Recipe("perception_lm", changes, made, "<|image|>")


@recipe
@only(">=5.20", "it came with 5.20")
def molmo2() -> Recipe:
    t = tokenizer(image_token="<|image|>", video_token="<|video|>")
    images = of(
        "Molmo2ImageProcessor", size=square(32), patch_size=4, max_crops=4,
        overlap_margins=[1, 1], pooling_size=[2, 2],
    )  # fmt: skip
    made = of("Molmo2Processor", image_processor=images, tokenizer=t,
              video_processor=of("Molmo2VideoProcessor"))  # fmt: skip
    changes = {
        "vision_config": {
            "image_size": [32, 32], "patch_size": 4, "num_position_embeddings": 64,
        },
        "adapter_config": {"vision_feature_layer": [-1, -2], "text_hidden_size": 64},
        "text_config": ends(t),
        **ids(
            t, image_patch_id="<im_patch>", image_token_id="<im_patch>", image_col_id="<im_col>",
            image_start_token_id="<im_start>", image_end_token_id="<im_end>",
            low_res_image_start_token_id="<low_res_im_start>", image_low_res_id="<im_low>",
            frame_start_token_id="<frame_start>", frame_end_token_id="<frame_end>",
        ),
    }  # fmt: skip
    return Recipe("molmo2", changes, made, "<|image|>")


@recipe
def minicpmv4_6() -> Recipe:
    t = tokenizer(
        image_token="<|image_pad|>", video_token="<|video_pad|>", image_start_token="<image>",
        image_end_token="</image>", slice_start_token="<slice>", slice_end_token="</slice>",
        image_id_start_token="<image_id>", image_id_end_token="</image_id>",
    )  # fmt: skip
    own = {"scale_resolution": 32, "patch_size": 4, "max_slice_nums": 4}
    made = of(
        "MiniCPMV4_6Processor", image_processor=of("MiniCPMV4_6ImageProcessor", **own),
        video_processor=of("MiniCPMV4_6VideoProcessor", **own), tokenizer=t,
    )  # fmt: skip
    changes = {
        "vision_config": {"image_size": 64, "patch_size": 4},
        "text_config": {**ends(t), "layer_types": ["linear_attention", "full_attention"] * 2},
        **ids(t, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"),
    }  # fmt: skip
    return Recipe("minicpmv4_6", changes, made, "<|image_pad|>")
