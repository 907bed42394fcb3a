"""What the documents of a task show."""

from __future__ import annotations

from typing import Any

LOOKED_AT = 100  # documents, for one that shows an image


def first_visuals(task: Any) -> list[Any] | None:
    """What the first document with an image shows; None if there is none among the first."""
    docs = task.task_docs
    shown = (task.doc_to_visual(docs[row]) for row in range(min(LOOKED_AT, len(docs))))
    return next((visuals for visuals in shown if visuals), None)
