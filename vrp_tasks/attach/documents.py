"""What the documents of a task show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image

from vrp_tasks.errors import SetupError
from vrp_tasks.faults import reason_of

LOOKED_AT = 100  # documents, for one that shows an image


def shown_by(task: Any) -> Iterator[list[Any]]:
    """What each of the first documents shows that shows an image.

    Raises
    ------
    SetupError
        If none shows any, since looking at them fails.
    """
    docs = task.task_docs
    complaint: str | None = None
    any_shown = False
    for row in range(min(LOOKED_AT, len(docs))):
        try:
            visuals = task.doc_to_visual(docs[row])
        except Exception as error:  # noqa: BLE001 - one document that cannot be shown
            complaint = complaint or reason_of(error)
            continue
        if visuals:
            any_shown = True
            yield list(visuals)
    if complaint is not None and not any_shown:
        raise SetupError(
            f"task {task.config.task}: none of its first {LOOKED_AT} documents can be shown "
            f"({complaint}). Check its data, and its doc_to_visual."
        )


def first_visuals(task: Any) -> list[Any] | None:
    """What the first document with an image shows; None if there is none among the first."""
    return next(shown_by(task), None)


def a_picture_of(tasks: Iterable[Any]) -> list[Image.Image]:
    """The first picture of the first task that shows anything; none where that is no picture."""
    shown = next(filter(None, map(first_visuals, tasks)), [])
    return [image for image in shown if isinstance(image, Image.Image)][:1]
