"""Which samples share an image: a column of the data set, or a hash of the pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image

from vrp_tasks.attach.settings import column_reader
from vrp_tasks.place import Place


def group_of(column: str | None, doc: Mapping[str, Any], task: Any, place: Place | None) -> str:
    """The group of one document.

    Parameters
    ----------
    column : str or None
        A column or a function of the document; None for the pixels, which count too where it has
        no value.
    doc : mapping
        As lmms-eval passes it to scorers: without images, as a rule.
    task : lmms-eval task or None
        Has the whole document.
    place : Place or None
        Of the document.
    """
    named = column_reader(column)(doc) if column else None
    if named is not None:
        return str(named)
    if task is None:
        return _hash_of_text(doc)
    if place is not None and place.split in task.dataset:
        try:
            doc = task.dataset[place.split][int(place.doc_id)]
        except Exception:  # noqa: BLE001 - a picture that cannot be decoded has no pixels
            return _hash_of_text(doc)
    return image_hash(task, doc) or _hash_of_text(doc)


def image_hash(task: Any, doc: Mapping[str, Any]) -> str | None:
    """Hash of the pixels that a document shows; None if it shows none."""
    images = _images(task, doc)
    return _hash_of_pixels(images) if images else None


def content_hashes(task: Any, doc: Mapping[str, Any]) -> list[str]:
    """Hash of the pixels of each image of a document; of its text where it shows none.

    The same in every run and task that shows this picture with these pixels.
    """
    return [_hash_of_pixels([image]) for image in _images(task, doc)] or [_hash_of_text(doc)]


def _images(task: Any, doc: Mapping[str, Any]) -> list[Image.Image]:
    try:
        visuals = task.doc_to_visual(doc)
    except Exception:  # noqa: BLE001 - a document whose images were left out, or cannot be read
        return []
    return [visual for visual in visuals or () if isinstance(visual, Image.Image)]


def _hash_of_pixels(images: list[Image.Image]) -> str:
    digest = hashlib.sha256()
    for image in images:
        pixels = image.convert("RGB")
        digest.update(repr(pixels.size).encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()[:32]


def _hash_of_text(doc: Mapping[str, Any]) -> str:
    """Where the image is out of reach, documents of the same content share a group."""
    content = {k: v for k, v in doc.items() if not isinstance(v, Image.Image)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[
        :32
    ]
