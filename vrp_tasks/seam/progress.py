"""The stock adapters' progress bars: off while ours counts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def silenced(lm: Any) -> Iterator[None]:
    """The bars of a model's adapter show nothing inside the block."""
    modules: list[Any] = [sys.modules[base.__module__] for base in type(lm).__mro__]
    stock = [(module, module.tqdm) for module in modules if hasattr(module, "tqdm")]
    for module, tqdm in stock:
        module.tqdm = _silent(tqdm)
    try:
        yield
    finally:
        for module, tqdm in stock:
            module.tqdm = tqdm


def _silent(tqdm_class: Any) -> Any:
    return lambda *args, **options: tqdm_class(*args, **{**options, "disable": True})
