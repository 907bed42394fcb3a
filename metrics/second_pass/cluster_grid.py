"""Whether a conclusion about clusters holds for other radii and other shares of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.maps.cluster_grid import EPSILONS, SHARES, cluster_count_grid
from metrics.record.channels import ImageMaps, there
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.scores.discrimination import auroc

_AT_ONCE = 1024  # records


def cluster_grid(store: ChannelStore, records: Sequence[SampleRecord]) -> dict[str, Any]:
    """AUROC of fewer clusters meaning right, per radius and share of cells, for the manifest."""
    counts, correct = [], []
    for own, record in _maps_of(store, records):
        try:
            counts.append(cluster_count_grid(there(own).mean(axis=0)))
            correct.append(record.correct)
        except UndefinedMetricError:
            continue
    found: dict[str, Any] = {"epsilons": list(EPSILONS), "shares": list(SHARES), "n": len(counts)}
    stacked = np.array(counts).reshape(-1, len(EPSILONS), len(SHARES))
    label = np.array(correct)
    found["auroc"] = [
        [_auroc_or_none(label, -stacked[:, i, j]) for j in range(len(SHARES))]
        for i in range(len(EPSILONS))
    ]
    return found


def _maps_of(
    store: ChannelStore, records: Sequence[SampleRecord]
) -> Iterator[tuple[np.ndarray, SampleRecord]]:
    """Maps of the records that have them, so many in memory at a time."""
    for start in range(0, len(records), _AT_ONCE):
        part = records[start : start + _AT_ONCE]
        for own, record in zip(store.array(ImageMaps, "by_layer", part), part, strict=True):
            if own is not None:
                yield own, record


def _auroc_or_none(correct: np.ndarray, score: np.ndarray) -> float | None:
    try:
        return auroc(correct, score)
    except UndefinedMetricError:
        return None
