"""Which model it is: checkpoint, arguments, and what of an image it is shown."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vrp_tasks.errors import UnmappedError
from vrp_tasks.families.window import window_of
from vrp_tasks.hashing import remembered_sha256

# model argument -> why it does not tell one run's answers from another's
_ELSEWHERE = {
    "pretrained": "model.pretrained, and the weights' hash or commit",
    "revision": "model.commit",
    "device": "where it runs",
    "device_map": "where it runs",
    "batch_size": "samples are seeded one by one, and no row depends on its batch",
    "max_batch_size": "likewise",
    "attn_implementation": "the capture runs SDPA, whatever is asked for",
    "use_flash_attention_2": "likewise",
    "api_key": "a secret",
    "base_url": "where it runs",
    "model": "model.pretrained",
    "model_version": "likewise",
    "tensor_parallel_size": "where it runs",
    "data_parallel_size": "likewise",
    "gpu_memory_utilization": "likewise",
    "max_num_seqs": "likewise",
    "max_num_batched_tokens": "likewise",
    "disable_log_stats": "likewise",
    "timeout": "how it is asked, not what",
    "retry_backoff_s": "likewise",
    "max_retries": "likewise",
    "num_concurrent": "likewise",
    "adaptive_concurrency": "likewise",
    "adaptive_min_concurrency": "likewise",
    "adaptive_max_concurrency": "likewise",
    "adaptive_target_latency_s": "likewise",
    "adaptive_increase_step": "likewise",
    "adaptive_decrease_factor": "likewise",
    "adaptive_failure_threshold": "likewise",
    "prefix_aware_queue": "likewise",
    "prefix_hash_chars": "likewise",
    "httpx_trust_env": "likewise",
}
_WEIGHTS = ("*.safetensors", "*.bin")  # transformers takes the first of these that is there


def checkpoint_identity(pretrained: str, commit: str | None) -> dict[str, Any]:
    """``weights_sha256`` and what it covers, or the hub commit for a checkpoint that has one."""
    folder = Path(pretrained)
    found = (sorted(folder.glob(pattern)) for pattern in _WEIGHTS) if folder.is_dir() else ()
    files = next((own for own in found if own), [])
    if not files:
        return {"weights_sha256": None, "commit": commit}
    digest = hashlib.sha256()
    for path, own in zip(files, remembered_sha256(files), strict=True):
        digest.update(path.name.encode() + own.encode())
    return {
        "weights_sha256": digest.hexdigest(),
        "weights_sha256_of": "all bytes",
        "commit": commit,
    }


def center_crop(image_processor: Any, *, shown: float = 1.0) -> float | None:
    """Side of the central square that the grid covers, as a share of the image's shorter side.

    0 where it covers the whole image, None where it covers neither or that is not known. ``shown``
    is the share of the sides that image tokens show of what the processor hands on.
    """
    if shown < 1.0:  # the rest is missing at the right and the bottom only
        return None
    try:
        seen = window_of(image_processor, (200, 100))
    except UnmappedError:
        return None
    if (seen.left, seen.top, seen.right, seen.bottom) == (0, 0, 200, 100):
        return 0.0
    side = seen.bottom - seen.top
    is_square = math.isclose(seen.right - seen.left, side, rel_tol=0.02)
    return side / 100 if is_square and seen.top >= 0 else None


def stock_arguments(
    parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The stock adapter's model arguments, JSON-ready, its defaults filled in.

    Left out is what cannot change an answer, or is told otherwise: `_ELSEWHERE`.

    Parameters
    ----------
    parameters : mapping
        Of the stock adapter's ``__init__``.
    given : mapping
        What it was called with.
    """
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name != "self" and parameter.kind in kinds
    }
    return {
        name: _json_ready(value)
        for name, value in sorted((known | dict(given)).items())
        if name not in _ELSEWHERE
    }


def _json_ready(value: Any) -> Any:
    plain = value is None or isinstance(value, (bool, int, float, str))
    return value if plain else str(value).removeprefix("torch.")


def last_parts(pretrained: str, *, separator: str = "__") -> str:
    """The last two parts of a path or hub id, as lmms-eval names its own result folders."""
    return separator.join(pretrained.rstrip("/").split("/")[-2:])


def adapter_id(lm: Any) -> str:
    """lmms-eval's model id of an instance: the name of its module."""
    return type(lm).__module__.rpartition(".")[2]


def default_checkpoint(adapter: type) -> str | None:
    """What an adapter loads without ``pretrained``."""
    for base in adapter.__mro__:
        if "__init__" in vars(base):
            parameter = inspect.signature(base).parameters.get("pretrained")
            return None if parameter is None else parameter.default
    return None
