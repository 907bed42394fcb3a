"""PIL's setting for pictures whose file ends early, which lmms-eval turns on for the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile


@contextmanager
def whole_images_only() -> Iterator[None]:
    """Inside the block a picture that is not whole raises OSError instead of turning grey."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
