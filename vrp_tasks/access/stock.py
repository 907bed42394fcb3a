"""What a stock adapter is made to do: note its documents, call our generation, stay quiet."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RecordingDocs:
    """Documents that note which of them was looked at, in order."""

    def __init__(self, docs: Any, seen: list[Any]) -> None:
        self._docs, self._seen = docs, seen

    def __getitem__(self, index: Any) -> Any:
        self._seen.append(index)
        return self._docs[index]

    def __len__(self) -> int:
        return len(self._docs)


@contextmanager
def patched_generate(model: Any, generate: Any) -> Iterator[None]:
    """Serve ``model.generate``; inside it the model's own one is called again."""
    stock = model.generate

    def dispatch(*args: Any, **options: Any) -> Any:
        if args or "custom_generate" in options:
            return stock(*args, **options)
        return generate(**options)

    model.generate = dispatch
    try:
        yield
    finally:
        del model.generate


def silent(tqdm_class: Any) -> Any:
    """A tqdm that shows nothing."""
    return lambda *args, **options: tqdm_class(*args, **{**options, "disable": True})


def clone_request(request: Any) -> Any:
    """A copy whose generation settings the stock adapter may pop from as it likes."""
    clone = copy.copy(request)
    clone.arguments = tuple(
        copy.deepcopy(part) if isinstance(part, dict) else part for part in request.args
    )
    return clone


def with_device(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Fill in device and device map where the stock defaults fail: no GPU, or a single one."""
    kwargs = dict(kwargs)
    if not torch.cuda.is_available():
        kwargs.setdefault("device", "cpu")
    device = str(kwargs.get("device", "cuda:0"))
    if not kwargs.get("device_map"):
        one_process = int(os.environ.get("WORLD_SIZE", 1)) == 1
        if device.startswith("cpu") or one_process:
            kwargs["device_map"] = device
    return kwargs
