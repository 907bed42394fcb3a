"""lmms-eval's requests, changed in a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from PIL import Image


def clone_request(request: Any, **generation: Any) -> Any:
    """A copy whose generation settings the stock adapter may pop from as it likes.

    ``generation`` replaces settings in the copy.
    """
    clone = copy.copy(request)
    clone.arguments = tuple(
        {**copy.deepcopy(part), **generation} if isinstance(part, dict) else part
        for part in request.args
    )
    return clone


def with_images(request: Any, change: Callable[[Any, Image.Image], Image.Image]) -> Any:
    """A copy whose images are changed as they are taken from the document.

    Parameters
    ----------
    request : Instance
        Its callable argument makes images or messages of a document.
    change : callable
        Document, image -> what stands there instead.
    """

    def wrapped(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda doc: _replaced(make(doc), lambda image: change(doc, image))

    clone = copy.copy(request)
    clone.arguments = tuple(wrapped(part) if callable(part) else part for part in request.args)
    return clone


def _replaced(value: Any, change: Callable[[Image.Image], Image.Image]) -> Any:
    """``value`` with every image in its lists and mappings changed."""
    if isinstance(value, Image.Image):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(part, change) for part in value)
    if isinstance(value, dict):
        return {key: _replaced(part, change) for key, part in value.items()}
    return value
