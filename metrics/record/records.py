"""The record format: the one contract between a run and its readers.

A *run folder* holds what one model did on one or more tasks::

    manifest.json              RunManifest; written last, so its presence means "complete"
    records.parquet            one row per sample: SampleRecord, flattened by `to_row`
    arrays-<rank>-<k>.safetensors   channels of the samples (`metrics.record.channels`), as
                               `metrics.record.shards` packs them; rows named by (shard, row)
    images.parquet             small copies of the images, for people (see `TABLES`)
    interventions.parquet      one row per sample and intervention; robustness tasks only
    grounding.parquet          one row per sample and map; grounding tasks only
    requests.parquet           one row per sample: hashes of what was asked, by which another run
                               takes the answer over
    similarities.parquet       one row per pair of answers that another model has compared

A missing value is ``None`` with a reason in ``missing``; NaN and infinity are never stored. This
module is plain data without I/O: `vrp_tasks` writes, `leaderboard` reads.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metrics.errors import RecordError
from metrics.record.manifest import (
    GEOMETRY_NOT_RUN,
    GEOMETRY_PASSED,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    RunManifest,
)
from metrics.record.tables import (
    GROUNDING_FILE,
    GROUNDING_MAPS,
    IMAGES_FILE,
    INTERVENTIONS_FILE,
    OCCLUSION,
    REGION_MAP,
    REQUESTS_FILE,
    SIMILARITIES_FILE,
    TABLES,
    Column,
)

__all__ = [
    "GEOMETRY_NOT_RUN",
    "GEOMETRY_PASSED",
    "GROUNDING_FILE",
    "GROUNDING_MAPS",
    "IMAGES_FILE",
    "INTERVENTIONS_FILE",
    "LAYER_PREFIX",
    "MANIFEST_FILE",
    "OCCLUSION",
    "RECORDS_FILE",
    "REGION_MAP",
    "REQUESTS_FILE",
    "SCHEMA_VERSION",
    "SIGNAL_PREFIX",
    "SIMILARITIES_FILE",
    "TABLES",
    "Column",
    "RunManifest",
    "SampleRecord",
]

RECORDS_FILE = "records.parquet"

SIGNAL_PREFIX = "signal."
LAYER_PREFIX = "layers."


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One answered question.

    Attributes
    ----------
    task, split, doc_id
        Identity of the sample: lmms-eval's task name, dataset split, and row number as a string.
    group
        The image: samples that share it are not independent.
    kind
        Question kind of the benchmark, or "all" when it has only one.
    prompt, answer, target
        The question as lmms-eval built it, the scored (greedy) answer, the reference answer.
    score
        The benchmark's own score in [0, 1], or None for a split without answers.
    correct
        ``score`` binarised at the manifest's threshold, or None.
    samples
        The K sampled answers, as text.
    normal_answer, normal_samples
        Answer and samples under the benchmark's own answer normalisation, as they are compared.
    signals
        Scalar signals, higher = more likely correct; names as in `metrics.signals`.
    layers
        Per-layer vectors, input side first.
    missing
        Name of a missing signal or channel, ``score``, or ``answer`` -> why.
    grid
        (height, width) of the image-token grid, or None.
    n_answer_tokens
        Length of the scored answer in tokens, end-of-sequence not counted.
    shard, row
        Where the sample's arrays are, or None when none were kept.
    image
        ``sha256`` of the image's small copy in ``images.parquet``, or None when none was kept.
    """

    task: str
    split: str
    doc_id: str
    group: str
    kind: str
    prompt: str
    answer: str
    target: str | None
    score: float | None
    correct: int | None
    samples: list[str]
    normal_answer: str
    normal_samples: list[str]
    signals: Mapping[str, float | None]
    layers: Mapping[str, list[float] | None]
    missing: dict[str, str]
    grid: list[int] | None
    n_answer_tokens: int | None
    shard: str | None
    row: int | None
    image: str | None = None

    def __post_init__(self) -> None:
        """Check what no reader should have to check again."""
        if self.score is not None and not 0 <= self.score <= 1:
            raise RecordError(f"score must be in [0, 1], got {self.score} ({self.identity}).")
        if self.correct not in (None, 0, 1):
            raise RecordError(
                f"correct must be 0, 1 or null, got {self.correct} ({self.identity})."
            )
        if len(self.normal_samples) != len(self.samples):
            raise RecordError(
                f"normal_samples must be as many as samples, got {len(self.normal_samples)} for "
                f"{len(self.samples)} ({self.identity})."
            )
        for name, value in self.signals.items():
            if value is None and name not in self.missing:
                raise RecordError(f"signal {name} is null without a reason ({self.identity}).")
            if value is not None and not math.isfinite(value):
                raise RecordError(f"signal {name} must be finite, got {value} ({self.identity}).")

    @property
    def identity(self) -> str:
        """Task, split and document in one string."""
        return f"{self.task}/{self.split}/{self.doc_id}"

    def with_signals(
        self, signals: Mapping[str, float | None], missing: Mapping[str, str]
    ) -> SampleRecord:
        """Return a new record with further signals, and the reasons of those that are None."""
        return replace(
            self, signals={**self.signals, **signals}, missing={**self.missing, **missing}
        )

    def without_signals(self, names: Collection[str]) -> SampleRecord:
        """Return a new record that lacks some signals, and the reasons of those that are None."""
        return replace(
            self,
            signals={n: v for n, v in self.signals.items() if n not in names},
            missing={n: why for n, why in self.missing.items() if n not in names},
        )

    def with_layers(self, layers: Mapping[str, list[float] | None]) -> SampleRecord:
        """Return a new record with further per-layer vectors."""
        return replace(self, layers={**self.layers, **layers})

    def to_json(self) -> dict[str, Any]:
        """Its fields in plain JSON types, from which ``SampleRecord(**…)`` makes it again."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"signals": dict(self.signals), "layers": dict(self.layers)}

    def to_row(self) -> dict[str, Any]:
        """Flatten to one row: a column per signal and per layer vector."""
        row = self.to_json()
        signals, layers = row.pop("signals"), row.pop("layers")
        row["missing"] = [{"name": k, "reason": v} for k, v in sorted(row["missing"].items())]
        row |= {SIGNAL_PREFIX + name: value for name, value in signals.items()}
        row |= {LAYER_PREFIX + name: value for name, value in layers.items()}
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any], *, not_offered: Collection[str] = ()) -> SampleRecord:
        """Rebuild a record from its row in ``records.parquet``.

        Parameters
        ----------
        row : dict
            As `to_row` has it; it may have null columns of signals that other tasks have.
        not_offered : collection of str
            Signals that the record's task has not, by the manifest.

        Raises
        ------
        RecordError
            If a field is missing or breaks the format; names it.
        """
        names = set(cls.__dataclass_fields__) - {"signals", "layers"}
        absent = sorted(names - set(row))
        if absent:
            raise RecordError(f"records lack the column(s) {', '.join(absent)}.")
        plain = {name: row[name] for name in names}
        plain["missing"] = {entry["name"]: entry["reason"] for entry in row["missing"] or ()}
        signals = {
            name: value
            for name, value in _with_prefix(row, SIGNAL_PREFIX).items()
            if value is not None or name in plain["missing"] or name not in not_offered
        }
        return cls(
            **plain,
            signals=signals,
            layers=_with_prefix(row, LAYER_PREFIX),
        )


def _with_prefix(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in row.items() if name.startswith(prefix)}
