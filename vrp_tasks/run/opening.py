"""The run folder of an evaluation, the same on every rank."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from vrp_tasks.access.identity import last_parts
from vrp_tasks.run.fingerprint import digests
from vrp_tasks.run.folder import RunFolder
from vrp_tasks.run.taken_over import take_over


def open_folder(
    output: Path,
    pretrained: str,
    *,
    fingerprint: dict[str, Any],
    wanted: Mapping[str, Collection[str]],
) -> RunFolder:
    """Start a run below an output path, or go on with one of the same fingerprint.

    A new one takes over what a complete run of the same make has answered.

    Parameters
    ----------
    output : Path
        Of the evaluation; rank 0's counts.
    pretrained : str
        Names the folder of the model's runs.
    fingerprint : dict
        What two runs must agree in for one to go on with the other.
    wanted : mapping of str to collection of str
        Task -> documents that are asked.
    """
    rank = int(os.environ.get("RANK", 0))
    if rank:
        return RunFolder(Path(_broadcast(None)), rank=rank)
    folder = RunFolder.create(
        output / last_parts(pretrained), now=datetime.now(UTC), fingerprint=fingerprint
    )
    if folder.is_new and take_over(folder, digests(fingerprint), wanted):
        folder = folder.reopened()
    _broadcast(str(folder.path))
    return folder


def _broadcast(value: str | None) -> str:
    """Rank 0's value on every rank."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        value = box[0]
    return str(value)
