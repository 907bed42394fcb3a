"""The tiny architectures: the real transformers classes with small dimensions.

Image size, patch size and merge give every family an 8 × 8 grid of image tokens. 112 pixels is a
multiple of 28, so lmms-eval's own resizing for Qwen2-VL leaves the image alone; Qwen3-VL enlarges
it to 128 pixels, whose cells are the same eighths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GemmaConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    SiglipImageProcessor,
    SiglipVisionConfig,
)
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from vrp_tasks.tiny.training.tokenizer import build_tokenizer
from vrp_tasks.tiny.world import IMAGE_SIZE

GRID = 8
_PATCH = IMAGE_SIZE // GRID
_DECODER = {
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
}
_VISION = {"hidden_size": 96, "intermediate_size": 288, "num_attention_heads": 4}
_QWEN3_CELL = 16  # pixels of an image token's side: lmms-eval's adapter resizes to multiples of 32
_SIZE = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}

_LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}{{ ' ' }}{% elif message['role'] == 'assistant' %}"
    "{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
_QWEN_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% elif part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Architecture:
    """A model with random weights, its processor, and how a question becomes a prompt.

    ``answer_prefix`` is what stands between the prompt's last token and the answer's first word.
    """

    family: str
    model: PreTrainedModel
    processor: ProcessorMixin
    answer_prefix: str

    def prompt(self, question: str) -> str:
        """The text that lmms-eval's adapter of this family gives to the processor."""
        return prompt_text(self.family, self.processor, question)


def prompt_text(family: str, processor: ProcessorMixin, question: str) -> str:
    """The text that lmms-eval's adapter of a family gives to the processor for one image."""
    if family == "paligemma":
        return f"<image>{question}"
    content = [{"type": "image"}, {"type": "text", "text": question}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if family == "qwen2_vl":
        system = {"role": "system", "content": "You are a helpful assistant."}
        messages = [system, *messages]
    found: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return found


def build_architecture(family: str, *, seed: int) -> Architecture:
    """Build the untrained model of a family.

    Raises
    ------
    ValueError
        If ``family`` is not one of `FAMILIES`.
    """
    if family not in FAMILIES:
        raise ValueError(
            f"build_architecture: `family` must be one of {', '.join(FAMILIES)}, got {family!r}."
        )
    torch.manual_seed(seed)
    return FAMILIES[family]()


def _llava() -> Architecture:
    tokenizer = build_tokenizer(
        special={
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "image_token": "<image>",
        },
        extra=[],
        prompt_words=["USER: \n ASSISTANT:"],
        prepend_bos=True,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size=_SIZE),
        tokenizer=tokenizer,
        patch_size=_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_LLAVA_TEMPLATE,
    )
    tokenizer.chat_template = _LLAVA_TEMPLATE
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **_VISION, num_hidden_layers=4, image_size=IMAGE_SIZE, patch_size=_PATCH
        ),
        text_config=LlamaConfig(
            **_DECODER,
            num_key_value_heads=4,
            vocab_size=len(tokenizer),
            tie_word_embeddings=True,
            **_special_ids(tokenizer),
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        tie_word_embeddings=True,
    )
    return Architecture("llava", LlavaForConditionalGeneration(config), processor, " ")


def _paligemma() -> Architecture:
    tokenizer = build_tokenizer(
        special={
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "image_token": "<image>",
        },
        extra=[],
        prompt_words=["\n"],
        prepend_bos=False,
        newline=True,
    )
    image_processor = SiglipImageProcessor(size=_SIZE)
    image_processor.image_seq_length = GRID * GRID
    processor = PaliGemmaProcessor(image_processor=image_processor, tokenizer=tokenizer)
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(
            **_VISION,
            num_hidden_layers=3,
            image_size=IMAGE_SIZE,
            patch_size=_PATCH,
            projection_dim=_DECODER["hidden_size"],
            vision_use_head=False,
        ),
        text_config=GemmaConfig(
            **_DECODER,
            num_key_value_heads=1,
            head_dim=32,
            vocab_size=len(processor.tokenizer),
            tie_word_embeddings=True,
            **_special_ids(tokenizer),
        ),
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=_DECODER["hidden_size"],
        hidden_size=_DECODER["hidden_size"],
        tie_word_embeddings=True,
        **_special_ids(tokenizer),
    )
    return Architecture("paligemma", PaliGemmaForConditionalGeneration(config), processor, "")


def _qwen2_vl() -> Architecture:
    tokenizer = _qwen_tokenizer(["system\nYou are a helpful assistant.", "user\n", "assistant\n"])
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 16 * IMAGE_SIZE * IMAGE_SIZE}
    patch = {"patch_size": _PATCH // 2, "merge_size": 2, "temporal_patch_size": 2, "size": pixels}
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**patch),
        video_processor=Qwen2VLVideoProcessor(**patch),
        tokenizer=tokenizer,
        chat_template=_QWEN_TEMPLATE,
    )
    config = Qwen2VLConfig(
        vision_config={
            "depth": 3,
            "embed_dim": 96,
            "num_heads": 4,
            "mlp_ratio": 3,
            "hidden_size": _DECODER["hidden_size"],
            "patch_size": _PATCH // 2,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        text_config={**_qwen_decoder(tokenizer), "rope_parameters": _rope([4, 6, 6])},
        tie_word_embeddings=True,
        **_qwen_ids(tokenizer),
    )
    return Architecture("qwen2_vl", Qwen2VLForConditionalGeneration(config), processor, "")


def _qwen3_vl() -> Architecture:
    tokenizer = _qwen_tokenizer(["user\n", "assistant\n"])
    side = GRID * _QWEN3_CELL
    pixels = {"shortest_edge": side * side, "longest_edge": 16 * side * side}
    patch = {"patch_size": _QWEN3_CELL // 2, "merge_size": 2, "temporal_patch_size": 2}
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**patch, size=pixels),
        video_processor=Qwen3VLVideoProcessor(**patch, size=pixels),
        tokenizer=tokenizer,
        chat_template=_QWEN_TEMPLATE,
    )
    rope = {**_rope([6, 5, 5]), "mrope_interleaved": True}
    config = Qwen3VLConfig(
        vision_config={
            "depth": 3,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_heads": 4,
            "out_hidden_size": _DECODER["hidden_size"],
            "num_position_embeddings": (2 * GRID) ** 2,
            "deepstack_visual_indexes": [0, 1],
            "patch_size": _QWEN3_CELL // 2,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        text_config={**_qwen_decoder(tokenizer), "head_dim": 32, "rope_parameters": rope},
        tie_word_embeddings=True,
        **_qwen_ids(tokenizer),
    )
    return Architecture("qwen3_vl", Qwen3VLForConditionalGeneration(config), processor, "")


def _qwen_tokenizer(prompt_words: list[str]) -> PreTrainedTokenizerFast:
    return build_tokenizer(
        special={
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
        },
        extra=["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>"],
        prompt_words=prompt_words,
        prepend_bos=False,
    )


def _qwen_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    special = {
        "image": "<|image_pad|>",
        "video": "<|video_pad|>",
        "vision_start": "<|vision_start|>",
        "vision_end": "<|vision_end|>",
    }
    return {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(text) for name, text in special.items()
    }


def _qwen_decoder(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        **_DECODER,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "tie_word_embeddings": True,
        **_special_ids(tokenizer),
    }


def _rope(sections: list[int]) -> dict[str, Any]:
    """M-RoPE: how many of a head's 16 frequencies turn with time, height and width."""
    return {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections}


def _special_ids(tokenizer: object) -> dict[str, int | None]:
    return {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")
    }


FAMILIES = {"llava": _llava, "paligemma": _paligemma, "qwen2_vl": _qwen2_vl, "qwen3_vl": _qwen3_vl}
