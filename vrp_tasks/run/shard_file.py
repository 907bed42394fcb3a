"""One array file of a run folder, read in parts."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from metrics.record.channels import Array


class ShardFile:
    """Columns of a safetensors file, as `metrics.record.store.Columns` asks for them."""

    def __init__(self, path: Path) -> None:
        self._file = safe_open(path, framework="numpy")
        self._keys = list(self._file.keys())

    def keys(self) -> list[str]:
        """Names of the columns."""
        return self._keys

    def whole(self, key: str) -> Array:
        """A whole column."""
        column: Array = self._file.get_tensor(key)
        return column

    def part(self, key: str, start: int, stop: int) -> Array:
        """Values ``start`` to ``stop`` of a column."""
        values: Array = self._file.get_slice(key)[start:stop]
        return values
