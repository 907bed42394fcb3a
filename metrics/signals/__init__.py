"""The declared signals. A new one is a `Signal` in a file of this room, named in `_FILES`."""

from __future__ import annotations

from metrics.record.observation import Absent, Observation
from metrics.signals import (
    attention,
    bounds,
    changed_image,
    claims,
    confidence,
    consistency,
    fitted,
    kept,
    lens,
    meaning,
    rephrased,
    self_evaluation,
    similarity,
)
from metrics.signals.declaration import ANY, Access, Bounds, Cost, CostClass, LayerVector, Signal

__all__ = [
    "ANY",
    "BOUNDS",
    "BY_NAME",
    "FITTED",
    "FREE",
    "LAYERS",
    "ORDER",
    "REPORTED",
    "SIGNALS",
    "Access",
    "Bounds",
    "Cost",
    "CostClass",
    "LayerVector",
    "Signal",
    "evaluate",
    "layer_vectors",
]

_FILES = (
    attention,
    confidence,
    bounds,
    consistency,
    similarity,
    meaning,
    claims,
    kept,
    self_evaluation,
    changed_image,
    rephrased,
    fitted,
    lens,
)
SIGNALS: tuple[Signal, ...] = tuple(signal for file in _FILES for signal in file.SIGNALS)
LAYERS: tuple[LayerVector, ...] = (*attention.LAYERS, *lens.LAYERS)
BY_NAME = {signal.name: signal for signal in SIGNALS}
ORDER = {name: number for number, name in enumerate(BY_NAME)}
FREE = "token_confidence"  # what every model says with its answer, at no cost: to be beaten
FITTED = frozenset(signal.name for signal in SIGNALS if signal.fitted)
REPORTED = tuple(signal.name for signal in SIGNALS if signal.reported)
BOUNDS = {signal.name: signal.bounds for signal in SIGNALS}


def evaluate(observation: Observation) -> dict[str, float | Absent]:
    """Return every signal that is computed from a single answer, or why it is not there."""
    return {s.name: s.of(observation) for s in SIGNALS if s.compute is not None}


def layer_vectors(observation: Observation) -> dict[str, list[float] | None]:
    """Return every per-layer figure of an answer; None where its channel is absent."""
    return {vector.name: vector.of(observation) for vector in LAYERS}
