"""What capture costs: stock `generate`, ours with K samples, and the usual way, side by side.

Ours keeps the prompt once for all K + 1 rows, ``repeated`` once for each. The usual way is eager
attention with ``output_attentions`` and ``output_hidden_states``, and K separate sampled
generations. Run on an idle machine:

    python -m benchmarks.capture [--repeats 7] [--k 10] [--models mid-qwen2-vl …]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tabulate import tabulate
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedModel,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import family_of
from vrp_tasks.tiny.world import draw_scene

CHECKPOINTS = Path(__file__).parent.parent / "vrp_tasks" / "tiny" / "checkpoints"
TINY = {
    "vrp-tiny-llava": "USER: <image>\n{} ASSISTANT:",
    "vrp-tiny-paligemma": "<image>{}",
    "vrp-tiny-qwen2-vl": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{}"
    "<|im_end|>\n<|im_start|>assistant\n",
}
QUESTION = "Describe the image."
MID = "mid-qwen2-vl"
_OURS = ("ours", "repeated")
_SIDE = 24  # image tokens per side of the mid-size model


def tiny(name: str) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """A shipped checkpoint and one prompt."""
    folder = CHECKPOINTS / name
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto").eval()
    processor = AutoProcessor.from_pretrained(folder)
    image = Image.fromarray(draw_scene(1).image)
    inputs = dict(
        processor(text=[TINY[name].format(QUESTION)], images=[image], return_tensors="pt")
    )
    inputs.pop("labels", None)
    return model, inputs


def mid() -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """A random Qwen2-VL of about 40 M parameters and a prompt with 576 image tokens."""
    torch.manual_seed(0)
    image_id, start_id, end_id = 4090, 4091, 4092
    config = Qwen2VLConfig(
        vision_config={"depth": 4, "embed_dim": 128, "num_heads": 4, "hidden_size": 512},
        text_config={
            "hidden_size": 512,
            "intermediate_size": 1536,
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "vocab_size": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [8, 12, 12],
            },
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": 0,
        },
        image_token_id=image_id,
        video_token_id=4093,
        vision_start_token_id=start_id,
        vision_end_token_id=end_id,
    )
    model = Qwen2VLForConditionalGeneration(config).eval()
    n_tokens, patch = _SIDE * _SIDE, config.vision_config
    ids = torch.tensor([[7, start_id, *[image_id] * n_tokens, end_id, *range(10, 40)]])
    width = patch.in_channels * patch.temporal_patch_size * patch.patch_size**2
    return model, {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == image_id).long(),
        "pixel_values": torch.randn(4 * n_tokens, width),
        "image_grid_thw": torch.tensor([[1, 2 * _SIDE, 2 * _SIDE]]),
    }


def compare(
    model: PreTrainedModel, inputs: dict[str, torch.Tensor], *, k: int, repeats: int, tokens: int
) -> dict[str, list[float]]:
    """Seconds of each way, measured in turn so that drift hits all alike."""
    eos = model.generation_config.eos_token_id or 1
    greedy: dict[str, Any] = {  # an answer of so many tokens, then end-of-sequence
        "do_sample": False,
        "max_new_tokens": tokens + 1,
        "min_new_tokens": tokens,
        "eos_token_id": eos,
        "forced_eos_token_id": eos,
    }
    family, settings = family_of(model.config), CaptureSettings(k=k)

    def stock() -> None:
        model.generate(**inputs, **greedy)

    def ours(*, share_prompt: bool = True) -> None:
        probed_generate(
            model, family, inputs, identities=["benchmark"], settings=settings,
            share_prompt=share_prompt, **greedy,
        )  # fmt: skip

    def usual() -> None:
        before = model.config._attn_implementation
        model.set_attn_implementation("eager")
        everything = {
            "return_dict_in_generate": True,
            "output_attentions": True,
            "output_hidden_states": True,
        }
        model.generate(**inputs, **greedy, **everything)
        sampling = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0}
        for _ in range(k):
            model.generate(**inputs, **{**greedy, **sampling}, **everything)
        model.set_attn_implementation(before)

    ways: dict[str, Callable[[], None]] = {
        "stock": stock, "ours": ours, "repeated": partial(ours, share_prompt=False), "usual": usual,
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            # a run switches its attention function once, so the switch is not part of a call
            with capturing_attention(model) if name in _OURS else nullcontext():
                began = time.perf_counter()
                way()
                if repeat:  # the first round warms up
                    seconds[name].append(time.perf_counter() - began)
        sys.stderr.write(f"\r{repeat}/{repeats} ")
    sys.stderr.write("\n")
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=2, help="answer length, forced")
    parser.add_argument("--models", nargs="+", default=[*TINY, MID], choices=[*TINY, MID])
    arguments = parser.parse_args()
    rows = []
    for name in arguments.models:
        model, inputs = mid() if name == MID else tiny(name)
        found = compare(
            model,
            inputs,
            k=arguments.k,
            repeats=arguments.repeats,
            tokens=arguments.tokens,
        )
        ratio = {
            way: statistics.median(a / b for a, b in zip(found[way], found["stock"], strict=True))
            for way in (*_OURS, "usual")
        }
        family = family_of(model.config)
        rows.append(
            {
                "model": name,
                "parameters (M)": sum(p.numel() for p in model.parameters()) / 1e6,
                "image tokens": int(family.image_tokens(model.config, inputs["input_ids"]).sum()),
                **{f"{way} (s)": statistics.median(found[way]) for way in found},
                "ours / stock": ratio["ours"],
                "repeated / stock": ratio["repeated"],
                "usual / stock": ratio["usual"],
                "usual / ours": ratio["usual"] / ratio["ours"],
            }
        )
    sys.stdout.write(f"K = {arguments.k}, {arguments.tokens} answer tokens, medians of ")
    sys.stdout.write(f"{arguments.repeats} runs, {torch.get_num_threads()} thread(s)\n")
    sys.stdout.write(tabulate(rows, headers="keys", floatfmt=".3g", tablefmt="github") + "\n")


if __name__ == "__main__":
    main()
