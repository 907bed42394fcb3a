"""Small copies of the images, so that a report can show what was asked about."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

SIDE = 224
MOST = 5000  # about 8 KB each


class Thumbnails:
    """Makes each image's copy once, up to `MOST` images per rank."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def take(self, images: Sequence[Image.Image]) -> tuple[str | None, list[dict[str, Any]]]:
        """Copy the first of a document's images.

        Returns
        -------
        sha256 : str or None
            Of the JPEG; None for a document without image or once there are enough.
        rows : list of dict
            The new row of ``images.parquet``, if the image is new.
        """
        if not images:
            return None, []
        try:
            small, jpeg = _copy(images[0])
        except Exception:  # noqa: BLE001 - a picture without pixels, or of a mode JPEG has not
            return None, []
        digest = hashlib.sha256(jpeg).hexdigest()
        if digest in self._seen:
            return digest, []
        if len(self._seen) >= MOST:
            return None, []
        self._seen.add(digest)
        row = {"sha256": digest, "jpeg": jpeg, "width": small.width, "height": small.height}
        return digest, [row]


def _copy(image: Image.Image) -> tuple[Image.Image, bytes]:
    """A small copy of an image, and the same as JPEG."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=85)
    return small, buffer.getvalue()
