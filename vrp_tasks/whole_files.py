"""Files that are there whole or not at all, whatever stops their writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
from safetensors.numpy import save_file


@contextmanager
def whole_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Where to write what stands at ``path`` once the block has ended; after an error, nothing.

    ``shared`` is for a place that several processes may write to at once: the last one has it.
    """
    own = f"{path.name}.{uuid4().hex}" if shared else path.name
    partial = path.with_name(f"{own}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, shared: bool = False) -> None:
    """Write text as UTF-8."""
    with whole_file(path, shared=shared) as partial:
        partial.write_text(text, encoding="utf-8")


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file."""
    with whole_file(path) as partial:
        save_file(dict(arrays), partial, metadata=metadata)
        partial.chmod(0o644)  # as the tables beside it; the library writes 0600
