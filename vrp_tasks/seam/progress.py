"""The stock adapters' progress bars: off while ours counts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BARS = ("tqdm", "make_progress")  # as adapters' modules call them


@contextmanager
def silenced(lm: Any) -> Iterator[None]:
    """The bars of a model's adapter show nothing inside the block."""
    modules: list[Any] = [sys.modules[base.__module__] for base in type(lm).__mro__]
    stock = [
        (module, name, getattr(module, name))
        for module in modules
        for name in _BARS
        if hasattr(module, name)
    ]
    for module, name, bar in stock:
        setattr(module, name, _silent(bar))
    try:
        yield
    finally:
        for module, name, bar in stock:
            setattr(module, name, bar)


def _silent(bar: Any) -> Any:
    return lambda *args, **options: bar(*args, **{**options, "disable": True})
