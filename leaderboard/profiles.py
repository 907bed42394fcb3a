"""Layer profiles: how a per-layer quantity runs through a model, for right and wrong answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.records import SampleRecord

ENTROPY = "spatial_entropy"


@dataclass(frozen=True)
class Curve:
    """Mean over ``n`` samples, one value per layer, input side first."""

    values: tuple[float, ...]
    n: int


@dataclass(frozen=True)
class LayerProfile:
    """One quantity through the layers; a curve is None when no answer is of its class."""

    name: str
    label: str
    right: Curve | None
    wrong: Curve | None
    n_missing: int


LABELS = {
    ENTROPY: "spatial entropy H_s / ln S",
    "image_attention_mass": "attention mass on the image",
}


def layer_profiles(records: Sequence[SampleRecord]) -> tuple[LayerProfile, ...]:
    """Profiles of all stored per-layer vectors that the report knows how to name.

    Entropy is divided by the log of the number of image tokens, since grids may differ between
    images. Samples without a label are left out.

    Parameters
    ----------
    records : sequence of SampleRecord
        Of one task.

    Returns
    -------
    tuple of LayerProfile
        Empty when no record has a layer vector.
    """
    profiles = [_profile(name, label, records) for name, label in LABELS.items()]
    return tuple(profile for profile in profiles if profile.right or profile.wrong)


def _profile(name: str, label: str, records: Sequence[SampleRecord]) -> LayerProfile:
    labelled = [record for record in records if record.correct is not None]
    rows = [(record.correct, _vector(record, name)) for record in labelled]
    right = [vector for correct, vector in rows if correct == 1 and vector is not None]
    wrong = [vector for correct, vector in rows if correct == 0 and vector is not None]
    n_missing = len(labelled) - len(right) - len(wrong)
    return LayerProfile(name, label, _mean(right), _mean(wrong), n_missing)


def _vector(record: SampleRecord, name: str) -> list[float] | None:
    values = record.layers.get(name)
    if not values or name != ENTROPY:
        return values or None
    cells = math.prod(record.grid) if record.grid else 0
    return [value / math.log(cells) for value in values] if cells > 1 else None


def _mean(vectors: list[list[float]]) -> Curve | None:
    """Mean curve, or None for no vector or vectors of different length."""
    if not vectors or len({len(vector) for vector in vectors}) != 1:
        return None
    mean = np.mean(np.array(vectors, dtype=float), axis=0)
    return Curve(tuple(float(value) for value in mean), len(vectors))
