"""``model.generate`` of one instance, served by us while a stock adapter calls it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
