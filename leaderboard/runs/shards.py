"""The array files of a run folder, read in parts; what the manifest does not name stays shut."""

from __future__ import annotations

from functools import cache

from safetensors import SafetensorError, safe_open

from leaderboard.runs.read import Run
from metrics.errors import RecordError
from metrics.record.store import ChannelStore, Columns


def store_of(run: Run) -> ChannelStore:
    """The stored channels of a run's records."""

    @cache
    def opened(shard: str) -> Columns:
        if shard not in run.manifest.files:  # else it could name any file
            raise RecordError(f"the manifest does not name the shard {shard!r}.")
        try:
            columns: Columns = safe_open(run.path / shard, framework="numpy")
        except (OSError, SafetensorError) as error:
            raise RecordError(f"{shard} cannot be read: {error}.") from error
        return columns

    return ChannelStore(opened)
