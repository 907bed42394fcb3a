"""Small copies of the images, so that a report can show what was asked about."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import Image

SIDE = 224
MOST = 5000  # about 8 KB each


class Thumbnails:
    """Makes each image's copy once, up to `MOST` images per rank."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def take(self, task: Any, doc: Any) -> tuple[str | None, list[dict[str, Any]]]:
        """Copy a document's first image.

        Returns
        -------
        sha256 : str or None
            Of the JPEG; None for a document without image or once there are enough.
        rows : list of dict
            The new row of ``images.parquet``, if the image is new.
        """
        images = [i for i in task.doc_to_visual(doc) or [] if isinstance(i, Image.Image)]
        if not images:
            return None, []
        small = images[0].convert("RGB")
        small.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        small.save(buffer, format="JPEG", quality=85)
        jpeg = buffer.getvalue()
        digest = hashlib.sha256(jpeg).hexdigest()
        if digest in self._seen:
            return digest, []
        if len(self._seen) >= MOST:
            return None, []
        self._seen.add(digest)
        row = {"sha256": digest, "jpeg": jpeg, "width": small.width, "height": small.height}
        return digest, [row]
