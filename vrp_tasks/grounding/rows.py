"""Rows of the grounding table: every map of a sample against its region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.maps.attention import spatial_entropy
from metrics.maps.grounding import (
    center_prior_map,
    mass_inside,
    peak_weighted_iou,
    pointing_game,
    top_share_iou,
    uniform_map,
)
from metrics.record.records import GROUNDING_MAPS, REGION_MAP
from vrp_tasks.grounding.maps import GroundingMaps

_SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "pointing": pointing_game,
    "mass": mass_inside,
    "peak_iou": peak_weighted_iou,
    "top_iou": top_share_iou,
}
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("region_share", *_SCORES, "spatial_entropy", "reason", "cells"))
}


def grounding_rows(
    identity: dict[str, Any],
    found: GroundingMaps,
    region: np.ndarray | str,
    grid: tuple[int, int] | None,
    *,
    keep_cells: bool,
) -> list[dict[str, Any]]:
    """One row per map of `GROUNDING_MAPS`, and one for the region where cells are kept.

    Parameters
    ----------
    identity : dict
        ``task``, ``split``, ``doc_id``, ``group`` and ``correct``.
    found : GroundingMaps
        Of the sample.
    region : float array, shape (height, width), or str
        Share of each cell inside, or why there is none.
    grid : (int, int) or None
        Of the image tokens; None without maps.
    keep_cells : bool
        Whether the maps themselves are kept, for pictures.

    Returns
    -------
    list of dict
        Rows of `metrics.record.records.GROUNDING_FILE`.
    """
    maps, missing = dict(found.maps), dict(found.missing)
    if grid is None:
        missing = dict.fromkeys(("uniform", "center"), "no grid of image tokens") | missing
    else:
        maps |= {"uniform": uniform_map(*grid), "center": center_prior_map(*grid)}
    rows = [
        {**identity, **_EMPTY, "map": name, **_row(maps.get(name), region, missing.get(name))}
        for name in GROUNDING_MAPS
    ]
    if not keep_cells:
        return rows
    for row in rows:
        if row["map"] in found.maps:
            row["cells"] = _cells(maps[row["map"]])
    if not isinstance(region, str):
        share = float(region.mean())
        own = {"map": REGION_MAP, "region_share": share, "cells": _cells(region, peak=1.0)}
        rows.append({**identity, **_EMPTY, **own})
    return rows


def lost_rows(identity: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    """Rows of a sample whose maps are gone."""
    found = GroundingMaps(missing=dict.fromkeys(GROUNDING_MAPS, reason))
    return grounding_rows(identity, found, reason, None, keep_cells=False)


def _row(found: np.ndarray | None, region: np.ndarray | str, missing: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if not isinstance(region, str):
        row["region_share"] = float(region.mean())
    if found is None:
        return {**row, "reason": missing or "the map was not captured"}
    row["spatial_entropy"] = -spatial_entropy(found)
    if isinstance(region, str):
        return {**row, "reason": region}
    try:
        return row | {name: score(found, region) for name, score in _SCORES.items()}
    except UndefinedMetricError as undefined:
        return {**row, "reason": str(undefined)}


def _cells(values: np.ndarray, *, peak: float | None = None) -> bytes:
    """Row by row, 255 = the peak."""
    scaled = values / (values.max() if peak is None else peak)
    return bytes(np.rint(255 * scaled).astype(np.uint8).ravel())
