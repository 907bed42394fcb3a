"""How a model is looked into. A new level is an `Access` in a file of this room and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.access.text import TextAccess
from vrp_tasks.access.transformers import TransformersAccess
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.run_settings import RunSettings

__all__ = ["LEVELS", "Access", "Asked", "Seen", "access_to"]

# what sees most comes first
LEVELS: tuple[type[Access], ...] = (TransformersAccess, TextAccess)


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
    for level in LEVELS:
        if settings.access not in ("auto", level.level):
            continue
        complaint = level.complaint(lm)
        if complaint is None:
            return level(lm, settings, stock, arguments)
        if settings.access == level.level:
            raise SetupError(f"access={level.level} cannot be had: {complaint}.")
    raise SetupError(f"{type(lm).__name__} cannot be looked into in any way.")
