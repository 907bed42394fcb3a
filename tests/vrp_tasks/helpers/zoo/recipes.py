"""What a small build of an architecture is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import transformers


@dataclass(frozen=True)
class Recipe:
    """How one architecture is built small.

    Attributes
    ----------
    model_type : str
        Of its config.
    changes : dict
        To the small config.
    processor
        A real one.
    marker : str
        What stands for an image in a prompt.
    """

    model_type: str
    changes: dict[str, Any]
    processor: Any
    marker: str


RECIPES: dict[str, Callable[[], Recipe]] = {}


def recipe(function: Callable[[], Recipe]) -> Callable[[], Recipe]:
    """Enter a builder under its function's name."""
    RECIPES[function.__name__] = function
    return function


def of(name: str, *args: Any, **options: Any) -> Any:
    """An instance of a class of transformers."""
    return getattr(transformers, name)(*args, **options)


def square(side: int) -> dict[str, int]:
    """A size as processors want it."""
    return {"height": side, "width": side}
