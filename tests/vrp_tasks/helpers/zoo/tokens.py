"""A tokenizer of a few hundred tokens that has every image token of every family."""

from __future__ import annotations

from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 768
_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
_IMAGE = (
    *("<image>", "<video>", "<audio>", "</image>", "<img>", "</img>", "<IMG_CONTEXT>"),
    *("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|im_start|>", "<|im_end|>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
    *("<fake_token_around_image>", "<end_of_utterance>", "<global-img>"),
    *("[IMG]", "[IMG_BREAK]", "[IMG_END]", "<|image|>", "<|video|>", "<|audio|>", "<|patch|>"),
    *("<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"),
    *("<|image_start|>", "<|image_end|>", "<|tile_x_separator|>", "<|tile_y_separator|>"),
    *("<|img_thumbnail|>", "<|python_tag|>", "<tile>", "TILE_GLOBAL", "<|START_OF_IMG|>"),
    *("<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", "<im_patch>", "<im_col>"),
    *("<im_start>", "<low_res_im_start>", "<frame_start>", "<im_end>", "<frame_end>", "<im_low>"),
    *("<image_placeholder>", "<begin_of_image>", "<|media_pad|>", "<|media_begin|>"),
    *("<|kimi_k25_video_placeholder|>", "<|media_end|>", "<|media_content|>", "<slice>"),
    *("</slice>", "<image_id>", "</image_id>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_START|>"),
    *("<|IMAGE_END|>", "<|VIDEO_PLACEHOLDER|>", "<|VIDEO_START|>", "<|VIDEO_END|>", "<|eoa|>"),
    *("<IMG_START>", "<IMG_ATOM>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
    *(f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)),
    *(f"<|img_row_{i}_col_{j}|>" for i in range(1, 7) for j in range(1, 7)),
)
_TEXT = (
    "what colour is the square? red green blue",
    "is there a circle left of the triangle? yes no",
    "user: assistant: system\n",
)


@cache
def _core() -> str:
    core = Tokenizer(models.BPE(byte_fallback=False))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*_SPECIAL, *_IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_TEXT * 20, trainer)
    return core.to_str()


def tokenizer(*, bos: bool = False, **roles: str) -> PreTrainedTokenizerFast:
    """Left-padding; ``roles`` name the image tokens that a processor asks its tokenizer for."""
    core = Tokenizer.from_str(_core())
    if bos:
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, padding_side="left", bos_token="<s>", eos_token="</s>",
        pad_token="<pad>", unk_token="<unk>", extra_special_tokens=roles,
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def ids(of: Any, **names: str) -> dict[str, int]:
    """Ids of tokens, under the names that a config has for them."""
    return {name: of.convert_tokens_to_ids(token) for name, token in names.items()}


def ends(of: Any) -> dict[str, int]:
    """The ids that a text config states."""
    return {
        "bos_token_id": of.bos_token_id,
        "eos_token_id": of.eos_token_id,
        "pad_token_id": of.pad_token_id,
    }
