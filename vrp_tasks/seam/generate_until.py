"""``generate_until`` of one model instance, answered by us for requests of our tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

GenerateUntil = Callable[[list[Any]], list[Any]]


@contextmanager
def served_generate_until(lm: Any, serve: GenerateUntil) -> Iterator[None]:
    """Replace the method on the instance alone: its class, and its id, stay stock."""
    lm.generate_until = serve
    try:
        yield
    finally:
        del lm.generate_until
