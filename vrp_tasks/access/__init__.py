"""How a model is looked into. A new level is an `Access` in a file of this room and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.access.openai import OpenAIAccess
from vrp_tasks.access.text import TextAccess
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.access.vllm import VllmAccess
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.run_settings import RunSettings

__all__ = ["LEVELS", "Access", "Asked", "Seen", "access_to", "level_called"]

# what sees most comes first
LEVELS: tuple[type[Access], ...] = (
    TransformersAccess,
    VllmAccess,
    OpenAIAccess,
    TextAccess,
)


def level_called(name: str) -> type[Access] | None:
    """The level of a name, None for auto; SetupError for any other, before a model is loaded."""
    known: dict[str, type[Access] | None] = {"auto": None} | {own.level: own for own in LEVELS}
    if name not in known:
        raise SetupError(f"model argument access must be one of {', '.join(known)}, got {name!r}.")
    return known[name]


def access_to(
    lm: Any,
    settings: RunSettings,
    stock: Callable[[list[Any]], list[Any]],
    arguments: Mapping[str, Any] | None,
) -> Access:
    """The access to a model that a run asked for, or the one that sees most.

    Raises
    ------
    SetupError
        If the level asked for cannot serve the model.
    """
    level_called(settings.access)
    for level in LEVELS:
        if settings.access not in ("auto", level.level):
            continue
        complaint = level.complaint(lm)
        if complaint is None:
            return level(lm, settings, stock, arguments)
        if settings.access == level.level:
            raise SetupError(f"access={level.level} cannot be had: {complaint}.")
    raise SetupError(f"{type(lm).__name__} cannot be looked into in any way.")
