"""Detectors that are fitted on labels beside the probes: what each reads, and how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.out_of_fold import Samples
from metrics.fitting.prediction_sets import RULES, prediction_set_scores
from metrics.record.channels import (
    Array,
    BlankState,
    CandidateMasses,
    Channel,
    HeadMasses,
    LastAnswerState,
    MeanAnswerState,
    NeuronContributions,
    PerturbedState,
    PromptState,
    VisionState,
)
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.states.bicr import bicr_scores
from metrics.states.distances import DISTANCES, distance_scores
from metrics.states.linear_detector import linear_scores
from metrics.states.network_detectors import (
    ccps_scores,
    inspector_scores,
    saplma_scores,
    spaced,
)
from metrics.states.neurons import neuron_scores

NOT_KEPT = "this run kept no {channel}, of which it is computed"
# inputs, one (n, …) of each channel read, samples, generator -> scores by signal
Fit = Callable[[Sequence[Array], Samples, np.random.Generator], Mapping[str, FittedScores]]


@dataclass(frozen=True)
class FittedDetector:
    """One or several signals that are fitted together.

    Attributes
    ----------
    signals : tuple of str
        Their names.
    reads : tuple of (channel, field, function)
        What of each sample they are fitted on: a field of a channel, reduced by the function, so
        that no more than that is held of all samples.
    fit : callable
        Of these inputs, in this order.
    """

    signals: tuple[str, ...]
    reads: tuple[tuple[type[Channel], str, Callable[[Array], Array]], ...]
    fit: Fit


def last_layer(by_layer: Array) -> Array:
    """The state after the last stored layer."""
    last: Array = by_layer[-1].astype(np.float32)
    return last


def middle_layer(by_layer: Array) -> Array:
    """The state after the middle one of the stored layers."""
    middle: Array = by_layer[len(by_layer) // 2].astype(np.float32)
    return middle


def flat_on_prompt(shares: Array) -> Array:
    """Every head's share on the image and on the rest of the prompt, one after another."""
    features: Array = shares[..., :2].astype(np.float32).ravel()
    return features


def as_it_is(state: Array) -> Array:
    """A vector."""
    same: Array = state.astype(np.float32)
    return same


def untold_as_nothing(masses: Array) -> Array:
    """Candidates' probabilities, 0 for one that no token tells."""
    known: Array = np.nan_to_num(masses.astype(np.float32))
    return known


def named(given: Array) -> Array:
    """Which candidate the answer names; a sample is left out where it names none."""
    own: Array = np.where(given < 0, np.nan, given.astype(np.float32)).reshape(())
    return own


def mean_of_tokens(by_token: Array) -> Array:
    """Mean over the first axis."""
    mean: Array = by_token.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _linear(name: str) -> Fit:
    return lambda x, samples, rng: {name: linear_scores(x[0], samples, rng=rng)}


DETECTORS = (
    FittedDetector(
        ("lookback_ratio",), ((HeadMasses, "shares", flat_on_prompt),), _linear("lookback_ratio")
    ),
    FittedDetector(
        ("halp_vision",), ((VisionState, "features", as_it_is),), _linear("halp_vision")
    ),
    FittedDetector(
        ("halp_image_token",), ((VisionState, "last", as_it_is),), _linear("halp_image_token")
    ),
    FittedDetector(
        ("saplma",),
        ((LastAnswerState, "by_layer", middle_layer),),
        lambda x, samples, rng: {"saplma": saplma_scores(x[0], samples, rng=rng)},
    ),
    FittedDetector(
        ("internal_inspector",),
        ((LastAnswerState, "by_layer", spaced),),
        lambda x, samples, rng: {"internal_inspector": inspector_scores(x[0], samples, rng=rng)},
    ),
    FittedDetector(
        ("bicr", "bicr_blank"),
        ((PromptState, "by_layer", last_layer), (BlankState, "by_layer", last_layer)),
        lambda x, samples, rng: bicr_scores(x[0], x[1], samples, rng=rng),
    ),
    FittedDetector(
        ("h_neurons",),
        ((NeuronContributions, "by_layer", np.ravel),),
        lambda x, samples, rng: {"h_neurons": neuron_scores(x[0], samples, rng=rng)},
    ),
    FittedDetector(
        ("ccps",),
        ((PerturbedState, "by_token", mean_of_tokens),),
        lambda x, samples, rng: {"ccps": ccps_scores(x[0], samples, rng=rng)},
    ),
    FittedDetector(
        DISTANCES,
        ((MeanAnswerState, "by_layer", last_layer),),
        lambda x, samples, rng: distance_scores(x[0], samples, rng=rng),
    ),
    FittedDetector(
        tuple(RULES),
        ((CandidateMasses, "masses", untold_as_nothing), (CandidateMasses, "given", named)),
        lambda x, samples, rng: prediction_set_scores(x[0], x[1], samples, rng=rng),
    ),
)


@dataclass(frozen=True)
class Detected:
    """Scores of some signals, at the rows that have what they are fitted on; or why there are none.

    ``rows`` are indices of records; ``fitted`` and ``reasons`` are by signal.
    """

    rows: np.ndarray
    fitted: Mapping[str, FittedScores]
    reasons: Mapping[str, str]


def detected(
    detector: FittedDetector, store: ChannelStore, records: Sequence[SampleRecord], *, task: str
) -> Detected:
    """Fit a detector on the labelled records of a task that have what it needs.

    Parameters
    ----------
    detector : FittedDetector
        One of `DETECTORS`.
    store : ChannelStore
        Holds the records' channels.
    records : sequence of SampleRecord
        Of one task, each with a label.
    task : str
        Seeds folds and weights.
    """
    try:
        rows, inputs = _inputs(detector, store, records)
        own = [records[i] for i in rows]
        samples = Samples.of(
            np.array([record.correct for record in own]),
            [record.group for record in own],
            kinds=[record.kind for record in own],
            answers=[record.normal_answer for record in own],
            targets=[record.target for record in own],
        )
        rng = rng_for(f"{task}/{detector.signals[0]}")
        return Detected(rows, detector.fit(inputs, samples, rng), {})
    except UndefinedMetricError as undefined:
        return Detected(np.zeros(0, int), {}, dict.fromkeys(detector.signals, str(undefined)))


def _inputs(
    detector: FittedDetector, store: ChannelStore, records: Sequence[SampleRecord]
) -> tuple[np.ndarray, list[Array]]:
    columns: list[list[Array | None]] = []
    for channel, field, reduce in detector.reads:
        found = store.array(channel, field, records)
        columns.append([None if own is None else reduce(own) for own in found])
        if all(own is None for own in columns[-1]):
            raise UndefinedMetricError(NOT_KEPT.format(channel=channel.name))
    rows = np.flatnonzero([all(map(_is_whole, own)) for own in zip(*columns, strict=True)])
    kept = [[own for i in rows if (own := column[i]) is not None] for column in columns]
    if not rows.size:
        raise UndefinedMetricError("no sample has all that it is computed from")
    if any(len({own.shape for own in column}) > 1 for column in kept):
        raise UndefinedMetricError("samples differ in the shape of what it is computed from")
    return rows, [np.stack(column) for column in kept]


def _is_whole(own: Array | None) -> bool:
    return own is not None and bool(np.isfinite(own).all())
