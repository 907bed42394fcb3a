"""The array files of a run folder, read in parts; what the manifest does not name stays shut."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from leaderboard.read import Run
from metrics.errors import RecordError
from metrics.record.channels import Array
from metrics.record.store import ChannelStore


class ShardFile:
    """Columns of a safetensors file, as `metrics.record.store.Columns` asks for them."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = safe_open(path, framework="numpy")
        except (OSError, SafetensorError) as error:
            raise RecordError(f"{path.name} cannot be read: {error}.") from error
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


def store_of(run: Run) -> ChannelStore:
    """The stored channels of a run's records."""

    @cache
    def opened(shard: str) -> ShardFile:
        if shard not in run.manifest.files:  # else it could name any file
            raise RecordError(f"the manifest does not name the shard {shard!r}.")
        return ShardFile(run.path / shard)

    return ChannelStore(opened)
