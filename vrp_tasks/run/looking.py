"""A document as it will be shown, looked at before the model is asked about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from metrics.record.failures import PICTURE
from vrp_tasks.faults import ends_run, reason_of
from vrp_tasks.seam.truncated_images import whole_images_only


@dataclass(frozen=True)
class Looked:
    """One document.

    Attributes
    ----------
    doc : mapping
        With its pictures; without them where they cannot be read.
    visuals : list
        What the task shows of it.
    failure : str or None
        Why it cannot be shown at all.
    marks : mapping of str to str
        What about it is not whole, by key of a record's ``missing``.
    """

    doc: Any
    visuals: list[Any]
    failure: str | None = None
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> list[Image.Image]:
        """Pictures among the visuals."""
        return [visual for visual in self.visuals if isinstance(visual, Image.Image)]


def look(
    read: Callable[[], Any], show: Callable[[Any], Any], without_media: Callable[[], Any]
) -> Looked:
    """Read a document and decode what it shows.

    Parameters
    ----------
    read : callable
        Gives the document.
    show : callable
        The task's ``doc_to_visual``.
    without_media : callable
        Gives the document without its pictures, which can be had whatever they are.
    """
    try:
        with whole_images_only():
            return Looked(*_shown(read, show))
    except Exception as first:
        if ends_run(first):
            raise
        marks = {}
        if isinstance(first, (OSError, SyntaxError)):  # PIL's, of a file
            marks = {PICTURE: f"the picture is not whole ({reason_of(first)})"}
    try:  # as lmms-eval has it: what is missing of a picture is grey
        return Looked(*_shown(read, show), marks=marks)
    except Exception as error:
        if ends_run(error):
            raise
        return Looked(without_media(), [], f"what it shows cannot be read ({reason_of(error)})")


def _shown(read: Callable[[], Any], show: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    doc = read()
    visuals = list(show(doc) or [])
    for visual in visuals:
        if isinstance(visual, Image.Image):
            visual.load()
    return doc, visuals
