"""Seconds and peak memory of stock `generate` and of ours, on models of the published shapes.

Weights are random, so nothing is downloaded; shapes, dtype and prompt length are those of the
checkpoints. Every way runs in a process of its own, whose peak memory is read at its end:

    python -m benchmarks.full_size [--models llava-1.5-7b …] [--tokens 2 64] [--batch 1 4]
        [--ways stock ours repeated] [--k 10] [--device cpu] [--repeats 3]

``ours`` keeps the prompt's keys and values once, ``repeated`` once for each of K + 1 rows.
A model of 7 billion parameters takes 16 GB in bfloat16. Seconds are those of a clock and those that
the cores worked for the process: where others use the machine too, compare the latter.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from tabulate import tabulate
from transformers import (
    AutoModelForImageTextToText,
    InternVLConfig,
    LlavaConfig,
    PaliGemmaConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2VLConfig,
    Qwen3VLConfig,
)
from transformers.initialization import no_init_weights

from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import Found, family_for

WAYS = ("stock", "ours", "repeated")
_WORD = 10  # any token that is no special one
_GB = 1e9


def llava_1_5_7b() -> PretrainedConfig:
    """576 image tokens; the text model is Vicuna-7B, transformers' default."""
    return LlavaConfig(image_token_id=32000, text_config={"vocab_size": 32064})


def paligemma_3b() -> PretrainedConfig:
    """256 image tokens."""
    return PaliGemmaConfig(
        vision_config={
            **{"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27},
            **{"num_attention_heads": 16, "patch_size": 14, "image_size": 224},
            **{"model_type": "siglip_vision_model", "projection_dim": 2048},
            "vision_use_head": False,
        },
        text_config={
            **{"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384},
            **{"num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1},
            **{"head_dim": 256, "vocab_size": 257216},
        },
        projection_dim=2048, image_token_index=257152,
    )  # fmt: skip


def qwen2_vl_7b() -> PretrainedConfig:
    """576 image tokens of native resolution."""
    return Qwen2VLConfig(
        text_config={
            **{"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28},
            **{"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24],
            },
        },
        vision_config={"hidden_size": 3584},
        image_token_id=151655, vision_start_token_id=151652, vision_end_token_id=151653,
    )  # fmt: skip


def qwen3_vl_8b() -> PretrainedConfig:
    """576 image tokens of native resolution, with DeepStack."""
    return Qwen3VLConfig(
        text_config={
            **{"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36},
            **{"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
            "vocab_size": 151936,
            "rope_parameters": {
                **{"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]},
                "mrope_interleaved": True,
            },
        },
        vision_config={"out_hidden_size": 4096},
    )  # fmt: skip


def internvl3_8b() -> PretrainedConfig:
    """256 image tokens of one tile."""
    return InternVLConfig(
        text_config={
            **{"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944},
            **{"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4},
            **{"vocab_size": 151674, "tie_word_embeddings": False},
        },
        image_token_id=151667, tie_word_embeddings=False,
    )  # fmt: skip


MODELS: dict[str, Callable[[], PretrainedConfig]] = {
    "llava-1.5-7b": llava_1_5_7b,
    "paligemma-3b": paligemma_3b,
    "qwen2-vl-7b": qwen2_vl_7b,
    "qwen3-vl-8b": qwen3_vl_8b,
    "internvl3-8b": internvl3_8b,
}


def empty(name: str, *, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """A model of a published shape, its weights whatever memory holds."""
    with no_init_weights(), torch.device(device):
        model = AutoModelForImageTextToText.from_config(MODELS[name](), dtype=dtype).eval()
    model.tie_weights()
    return model


def build(name: str, *, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """The same with weights that keep its states finite."""
    model = empty(name, dtype=dtype, device=device)
    noise = 0.02 * torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    noise = noise.to(device, dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
                continue
            flat = parameter.view(-1)
            whole = len(flat) // len(noise) * len(noise)
            flat[:whole].view(-1, len(noise)).copy_(noise.expand(whole // len(noise), -1))
            flat[whole:] = noise[: len(flat) - whole]
    return model


def prompts(
    model: PreTrainedModel, *, batch: int, length: int, dtype: torch.dtype, device: str
) -> dict[str, torch.Tensor]:
    """Prompts of ``length`` tokens with one image each, as a processor would hand them on."""
    config = model.config
    vision = config.vision_config
    side = getattr(vision, "image_size", None)
    inputs: dict[str, torch.Tensor] = {}
    if side is None:  # native resolution: 24 × 24 tokens, each of 2 × 2 patches
        n_image, patches = 576, 4 * 576
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        inputs["pixel_values"] = torch.randn(batch * patches, width)
        inputs["image_grid_thw"] = torch.tensor([[1, 48, 48]] * batch)
    else:
        height, width = side if isinstance(side, list | tuple) else (side, side)
        inputs["pixel_values"] = torch.randn(batch, 3, height, width)
        n_image = _image_tokens(config, height)
    image = config.image_token_id
    start = [getattr(config, "vision_start_token_id", _WORD)]
    end = [getattr(config, "vision_end_token_id", _WORD)]
    words = [_WORD] * (length - n_image - 2)
    ids = torch.tensor([[*start, *[image] * n_image, *end, *words]] * batch)
    inputs |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if config.model_type in ("qwen2_vl", "qwen3_vl"):
        inputs["mm_token_type_ids"] = (ids == image).long()
    if config.model_type == "paligemma":
        inputs["token_type_ids"] = torch.zeros_like(ids)
    inputs["pixel_values"] = inputs["pixel_values"].to(dtype)
    return {name: value.to(device) for name, value in inputs.items()}


def _image_tokens(config: PretrainedConfig, height: int) -> int:
    patch = config.vision_config.patch_size
    patch = patch[0] if isinstance(patch, list | tuple) else patch
    ratio = getattr(config, "downsample_ratio", 1)
    return int(height // patch * ratio) ** 2


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One way of one model: medians of seconds and of CPU seconds, and the peak of the process."""
    dtype, device = getattr(torch, arguments.dtype), arguments.device
    model = build(arguments.models[0], dtype=dtype, device=device)
    inputs = prompts(
        model, batch=arguments.batch[0], length=arguments.length, dtype=dtype, device=device
    )
    tokens = arguments.tokens[0]
    options: dict[str, Any] = {
        **{"do_sample": False, "max_new_tokens": tokens, "min_new_tokens": tokens},
        **{"eos_token_id": 2, "pad_token_id": 0},
    }
    family, settings = family_for(model), CaptureSettings(k=arguments.k)
    names = [str(row) for row in range(arguments.batch[0])]

    def stock() -> None:
        model.generate(**inputs, **options)

    def ours() -> None:
        with capturing_attention(model):
            probed_generate(
                model, family, inputs, identities=names, settings=settings,
                share_prompt=arguments.ways[0] == "ours", **options,
            )  # fmt: skip

    way = stock if arguments.ways[0] == "stock" else ours
    with torch.inference_mode():
        if isinstance(family, Found) and way is ours:
            family.study(model, inputs)
        way()  # warms up
        seconds, busy = [], []
        for _ in range(arguments.repeats):
            began, worked = time.perf_counter(), time.process_time()
            way()
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
            busy.append(time.process_time() - worked)
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if device == "cpu"
        else torch.cuda.max_memory_allocated()
    )
    return {
        "seconds": statistics.median(seconds),
        "busy": statistics.median(busy),
        "peak": peak / _GB,
        "weights": sum(p.numel() * p.element_size() for p in model.parameters()) / _GB,
    }


def _in_its_own_process(arguments: argparse.Namespace, **one: object) -> dict[str, float] | None:
    told = {**vars(arguments), **{name: [value] for name, value in one.items()}}
    command = [sys.executable, "-m", "benchmarks.full_size", "--one", json.dumps(told)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{one}: exit {done.returncode}, of memory perhaps\n")
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(arguments: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each model, batch size and answer length."""
    rows: list[dict[str, object]] = []
    for name in arguments.models:
        for batch in arguments.batch:
            for tokens in arguments.tokens:
                row: dict[str, object] = {"model": name, "batch": batch, "answer tokens": tokens}
                stock: dict[str, float] | None = None
                for way in arguments.ways:
                    found = _in_its_own_process(
                        arguments, models=name, batch=batch, tokens=tokens, ways=way
                    )
                    stock = found if way == "stock" else stock
                    if found is not None:
                        row["weights (GB)"] = found["weights"]
                        row[f"{way} (s)"], row[f"{way} (CPU s)"] = found["seconds"], found["busy"]
                        row[f"{way} (GB)"] = found["peak"]
                    if found is not None and stock is not None and way != "stock":
                        row[f"{way} / stock (s)"] = found["seconds"] / stock["seconds"]
                        row[f"{way} / stock (CPU s)"] = found["busy"] / stock["busy"]
                        row[f"{way} / stock (GB)"] = found["peak"] / stock["peak"]
                rows.append(row)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS])
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=WAYS)
    parser.add_argument("--tokens", nargs="+", type=int, default=[2, 64], help="answer length")
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--length", type=int, default=610, help="prompt tokens, the image's too")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        found = measure(argparse.Namespace(**json.loads(arguments.one)))
        sys.stdout.write(json.dumps(found) + "\n")
        return
    rows = table(arguments)
    sys.stdout.write(
        f"K = {arguments.k}, prompts of {arguments.length} tokens, {arguments.dtype}, "
        f"{arguments.device}, {torch.get_num_threads()} thread(s), medians of {arguments.repeats}\n"
    )
    sys.stdout.write(tabulate(rows, headers="keys", floatfmt=".3g", tablefmt="github") + "\n")


if __name__ == "__main__":
    main()
