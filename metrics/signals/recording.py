"""From an observation to the record that a run folder keeps of it."""

from __future__ import annotations

from metrics.record.channels import ImageMaps, Samples, TokenScores
from metrics.record.observation import Absent, Observation
from metrics.record.records import SampleRecord
from metrics.signals import evaluate, layer_vectors

IDENTITY = (
    *("task", "split", "doc_id", "group", "kind", "prompt", "answer", "target", "score"),
    *("correct", "image", "normal_answer"),
)


def record_of(observation: Observation, *, shard: str | None, row: int | None) -> SampleRecord:
    """Build the record of an observation.

    Signals that need other answers, and those whose channels are not offered, are left out.

    Parameters
    ----------
    observation : Observation
        What was seen.
    shard, row
        Where its channels are stored.
    """
    signals: dict[str, float | None] = {}
    missing = {
        name: absent.reason
        for name, absent in observation.absent.items()
        if absent.state == "missing"
    }
    for name, value in evaluate(observation).items():
        if not isinstance(value, Absent):
            signals[name] = value
        elif value.state == "missing":
            signals[name], missing[name] = None, value.reason
    samples = observation.get(Samples)
    maps = observation.get(ImageMaps)
    scores = observation.get(TokenScores)
    return SampleRecord(
        **{name: getattr(observation, name) for name in IDENTITY},
        samples=[] if samples is None else samples.texts.tolist(),
        normal_samples=[] if samples is None else samples.normal.tolist(),
        signals=signals,
        layers=layer_vectors(observation),
        missing=missing,
        grid=None if maps is None else [int(side) for side in maps.by_layer.shape[1:]],
        n_answer_tokens=None if scores is None else int(scores.logprobs.size),
        shard=shard,
        row=row,
    )
