"""Rows of a sweep, by curve: which there are, and which samples have all of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.robustness.dose_response import DoseResponse, dose_response

RANDOM = "random"

Columns = dict[str, np.ndarray]


@dataclass(frozen=True, order=True)
class CurveKey:
    """What a curve is of; names as in `metrics.record.records.TABLES`, layer −1 for every layer."""

    intervention: str
    layer: int
    fill: str
    unit: str
    choice: str

    @property
    def control(self) -> CurveKey:
        """The random choice of equal size."""
        return CurveKey(self.intervention, self.layer, self.fill, self.unit, RANDOM)


def labelled(columns: Columns) -> Columns:
    """Rows whose outcome with and without intervention is known."""
    if not len(columns["doc_id"]):
        return columns
    kept = np.isfinite(columns["correct"]) & np.isfinite(columns["clean_correct"])
    return {name: values[kept] for name, values in columns.items()}


def families_of(columns: Columns) -> list[list[CurveKey]]:
    """Curves that share samples and control, in the order of the sweep."""
    layer = np.where(np.isfinite(columns["layer"]), columns["layer"], -1).astype(int)
    keys = dict.fromkeys(
        map(
            CurveKey,
            columns["intervention"],
            layer.tolist(),
            columns["fill"],
            columns["unit"],
            columns["choice"],
        )
    )
    families: dict[CurveKey, list[CurveKey]] = {}
    for key in keys:
        families.setdefault(key.control, []).append(key)
    return list(families.values())


def rows_of(columns: Columns, key: CurveKey) -> Columns:
    """Rows of one curve."""
    layer = np.where(np.isfinite(columns["layer"]), columns["layer"], -1)
    rows = (columns["intervention"] == key.intervention) & (layer == key.layer)
    for name in ("fill", "unit", "choice"):
        rows &= columns[name] == getattr(key, name)
    return {name: values[rows] for name, values in columns.items()}


def complete_samples(columns: Columns) -> list[str]:
    """Samples that have every dose, in order; a sweep's stop may leave some without."""
    docs, doses = columns["doc_id"].astype(str), columns["dose"]
    n_doses = len(set(doses.tolist()))
    pairs = {(doc, dose) for doc, dose in zip(docs.tolist(), doses.tolist(), strict=True)}
    count: dict[str, int] = {}
    for doc, _ in pairs:
        count[doc] = count.get(doc, 0) + 1
    return [doc for doc in dict.fromkeys(docs.tolist()) if count[doc] == n_doses]


def response_of(columns: Columns, docs: Sequence[str], outcome: str = "correct") -> DoseResponse:
    """Curve of an outcome; every sample agrees with itself without intervention."""
    clean = columns["clean_correct"] if outcome == "correct" else np.ones(len(columns["dose"]))
    return dose_response(
        docs,
        sample=columns["doc_id"].astype(str).tolist(),
        dose=columns["dose"],
        correct=columns[outcome].astype(np.float64),
        clean=clean,
    )
