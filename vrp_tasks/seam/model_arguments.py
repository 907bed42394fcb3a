"""``--model_args``: ours taken out, and devices where the stock adapters' defaults fail.

lmms-eval parses the text itself, so what is left is handed on as it was written.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import torch
from lmms_eval.utils import _smart_comma_split, simple_parse_args_string

Given = str | Mapping[str, Any] | None
# adapters whose default device fails somewhere
LOCAL = ("llava_hf", "paligemma", "qwen2_vl", "vrp_hf")


def parsed(given: Given) -> dict[str, Any]:
    """Model arguments by name."""
    return simple_parse_args_string(given) if isinstance(given, str) else dict(given or {})


def parts(given: Given) -> list[str]:
    """Arguments one by one as they were written, ``name=value`` each; none of a mapping."""
    return _smart_comma_split(given.strip()) if isinstance(given, str) and given.strip() else []


def without(given: Given, names: Collection[str]) -> Given:
    """Model arguments less some, in the form in which they were given."""
    if not isinstance(given, str):
        return {name: value for name, value in (given or {}).items() if name not in names}
    return ",".join(part for part in parts(given) if part.split("=", 1)[0] not in names)


def with_device(asked: dict[str, Any]) -> None:
    """Fill in device and device map for a machine without a GPU, or with a single one.

    ``asked`` are the arguments of ``simple_evaluate``. Only for the adapters whose defaults are
    known to fail there; others stay as they are.
    """
    if asked.get("model") not in LOCAL:
        return
    given = asked.get("model_args")
    named = parsed(given)
    device = named.get("device", asked.get("device"))
    if device is None and not torch.cuda.is_available():
        device = asked["device"] = "cpu"
    device = str(device or "cuda:0")
    one_process = int(os.environ.get("WORLD_SIZE", 1)) == 1
    if named.get("device_map") or not (device.startswith("cpu") or one_process):
        return
    if isinstance(given, str):
        asked["model_args"] = ",".join(part for part in (given, f"device_map={device}") if part)
    else:
        asked["model_args"] = {**(given or {}), "device_map": device}
