"""Layer profiles: how a per-layer quantity runs through a model, for right and wrong answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from metrics.errors import RecordError
from metrics.record.columns import labelled_of
from metrics.record.records import SampleRecord

ENTROPY = "spatial_entropy"
QUARTILES = (0.25, 0.75)
MAX_VALUE = 1e38  # of float32, in which models compute


@dataclass(frozen=True)
class Curve:
    """Mean over ``n`` samples and the quartiles, one value per layer, input side first."""

    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int


@dataclass(frozen=True)
class Quantity:
    """A per-layer vector that the report knows.

    ``first`` is the number of its first layer: 0 where the embeddings have a value too. ``oracle``
    marks what needs the true answer.
    """

    name: str
    label: str
    unit: str
    first: int = 1
    oracle: bool = False


QUANTITIES = (
    Quantity(ENTROPY, "spatial entropy H_s / ln S", "of ln S"),
    Quantity("image_attention_mass", "attention mass on the image", "share"),
    Quantity("answer_margin", "margin of the given answer", "logits", first=0),
    Quantity("truth_margin", "margin of the true answer", "logits", first=0, oracle=True),
    Quantity("update_norm", "update norm of the image tokens", "norm"),
    Quantity("margin_from_mlp", "added to the margin by MLPs", "logits"),
    Quantity("margin_from_attention", "added to the margin by attention", "logits"),
)


@dataclass(frozen=True)
class LayerProfile:
    """One quantity through the layers; a curve is None when no answer is of its class."""

    name: str
    right: Curve | None
    wrong: Curve | None
    n_missing: int

    @property
    def quantity(self) -> Quantity:
        """What it is a profile of."""
        return next(q for q in QUANTITIES if q.name == self.name)

    @property
    def label(self) -> str:
        """Name of the quantity, for people."""
        return self.quantity.label


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
    profiles = [_profile(quantity.name, records) for quantity in QUANTITIES]
    return tuple(profile for profile in profiles if profile.right or profile.wrong)


def _profile(name: str, records: Sequence[SampleRecord]) -> LayerProfile:
    labelled = labelled_of(records)
    vectors = map(partial(_vector, name), labelled.layer(name), labelled.values("grid"))
    rows = list(zip(labelled.values("correct"), vectors, strict=True))
    right = [vector for correct, vector in rows if correct == 1 and vector is not None]
    wrong = [vector for correct, vector in rows if correct == 0 and vector is not None]
    n_missing = len(labelled) - len(right) - len(wrong)
    return LayerProfile(name, _summary(right), _summary(wrong), n_missing)


def _vector(
    name: str, values: Sequence[float] | None, grid: list[int] | None
) -> Sequence[float] | None:
    if not values or name != ENTROPY:
        return values or None
    cells = math.prod(grid) if grid else 0
    return [value / math.log(cells) for value in values] if cells > 1 else None


def _summary(vectors: list[Sequence[float]]) -> Curve | None:
    """Mean and quartiles, or None for no vector or vectors of different length."""
    if not vectors or len({len(vector) for vector in vectors}) != 1:
        return None
    stacked = np.array(vectors, dtype=float)
    if np.abs(stacked).max() > MAX_VALUE:
        raise RecordError(f"a layer vector holds values beyond {MAX_VALUE:.0e}.")
    low, high = np.quantile(stacked, QUARTILES, axis=0)
    mean = stacked.mean(axis=0)
    return Curve(tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()), len(vectors))
