"""What a small build of an architecture is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
    attention : dict of str to str
        The attention function by part of the config, where it is not transformers' own choice.
    """

    model_type: str
    changes: dict[str, Any]
    processor: Any
    marker: str
    attention: dict[str, str] = field(default_factory=dict)


RECIPES: dict[str, Callable[[], Recipe]] = {}
ONLY: dict[str, tuple[str, str]] = {}  # versions of transformers, and why no others


def recipe(function: Callable[[], Recipe]) -> Callable[[], Recipe]:
    """Enter a builder under its function's name."""
    RECIPES[function.__name__] = function
    return function


def only(versions: str, why: str) -> Callable[[Callable[[], Recipe]], Callable[[], Recipe]]:
    """State with which versions of transformers an architecture works, and why not with others."""

    def enter(function: Callable[[], Recipe]) -> Callable[[], Recipe]:
        ONLY[function.__name__] = (versions, why)
        return function

    return enter


def of(name: str, *args: Any, **options: Any) -> Any:
    """An instance of a class of transformers."""
    return getattr(transformers, name)(*args, **options)


def square(side: int) -> dict[str, int]:
    """A size as processors want it."""
    return {"height": side, "width": side}
