"""The record format: the one contract between a run and its readers.

A *run folder* holds what one model did on one or more tasks::

    manifest.json              RunManifest; written last, so its presence means "complete"
    records.parquet            one row per sample: SampleRecord, flattened by `to_row`
    arrays-<rank>-<k>.safetensors   per-sample arrays (see `ARRAYS`), rows named by (shard, row)
    images.parquet             small copies of the images, for people (see `TABLES`)
    interventions.parquet      one row per sample and intervention; robustness tasks only
    grounding.parquet          one row per sample and map; grounding tasks only

A missing value is ``None`` with a reason in ``missing``; NaN and infinity are never stored. This
module is plain data without I/O: `vrp_tasks` writes, `leaderboard` reads.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from metrics.errors import RecordError
from metrics.record_tables import (
    GROUNDING_FILE,
    GROUNDING_MAPS,
    IMAGES_FILE,
    INTERVENTIONS_FILE,
    OCCLUSION,
    REGION_MAP,
    TABLES,
    Column,
)

__all__ = [
    "ARRAYS",
    "GROUNDING_FILE",
    "GROUNDING_MAPS",
    "IMAGES_FILE",
    "INTERVENTIONS_FILE",
    "LAYER_PREFIX",
    "MANIFEST_FILE",
    "OCCLUSION",
    "RAGGED",
    "RECORDS_FILE",
    "REGION_MAP",
    "SCHEMA_VERSION",
    "SIGNAL_PREFIX",
    "TABLES",
    "Column",
    "RunManifest",
    "SampleRecord",
]

SCHEMA_VERSION = 2

MANIFEST_FILE = "manifest.json"
RECORDS_FILE = "records.parquet"

SIGNAL_PREFIX = "signal."
LAYER_PREFIX = "layers."

# name in a shard -> shape of one row
ARRAYS = {
    "hidden_last_prompt": "(n_layers + 1, d_model): state of the last prompt token; layer 0 embeds",
    "hidden_last_answer": "(n_layers + 1, d_model): state of the last answer token",
    "hidden_mean_answer": "(n_layers + 1, d_model): mean state over the answer tokens",
    "hidden_blank": "(n_layers + 1, d_model): state of the last prompt token, image blanked",
    "map_layers": "(n_layers, height * width): attention to the image per layer, sums to 1; ragged "
    "(rows concatenated along the last axis, see map_offsets)",
    "map_offsets": "(n_rows + 1,): column at which each row's map starts in map_layers",
    "map_prompt": "(n_layers, height * width): attention of the question's content words, as "
    "map_layers (see RAGGED); grounding tasks only",
    "map_boundary": "(n_layers, height * width): the same of the structural tokens after the image",
}
# arrays whose rows differ in length -> where each row starts in them
RAGGED = {
    "map_layers": "map_offsets",
    "map_prompt": "map_prompt_offsets",
    "map_boundary": "map_boundary_offsets",
}


@dataclass(frozen=True)
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
    signals
        Scalar signals, higher = more likely correct; names as in `metrics.signals`.
    layers
        Per-layer vectors, input side first.
    missing
        Name of a missing signal or array -> why.
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
    signals: dict[str, float | None]
    layers: dict[str, list[float] | None]
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
        for name, value in self.signals.items():
            if value is None and name not in self.missing:
                raise RecordError(f"signal {name} is null without a reason ({self.identity}).")
            if value is not None and not math.isfinite(value):
                raise RecordError(f"signal {name} must be finite, got {value} ({self.identity}).")

    @property
    def identity(self) -> str:
        """Task, split and document in one string."""
        return f"{self.task}/{self.split}/{self.doc_id}"

    def to_row(self) -> dict[str, Any]:
        """Flatten to one row: a column per signal and per layer vector."""
        row = asdict(self)
        signals, layers = row.pop("signals"), row.pop("layers")
        row["missing"] = [{"name": k, "reason": v} for k, v in sorted(row["missing"].items())]
        row |= {SIGNAL_PREFIX + name: value for name, value in signals.items()}
        row |= {LAYER_PREFIX + name: value for name, value in layers.items()}
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> SampleRecord:
        """Rebuild a record from `to_row`'s form; raises RecordError naming a missing field."""
        names = set(cls.__dataclass_fields__) - {"signals", "layers"}
        absent = sorted(names - set(row))
        if absent:
            raise RecordError(f"records lack the column(s) {', '.join(absent)}.")
        plain = {name: row[name] for name in names}
        plain["missing"] = {entry["name"]: entry["reason"] for entry in row["missing"] or ()}
        return cls(
            **plain,
            signals=_with_prefix(row, SIGNAL_PREFIX),
            layers=_with_prefix(row, LAYER_PREFIX),
        )


def _with_prefix(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in row.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class RunManifest:
    """What reproduces a run, and what its reader must know.

    Attributes
    ----------
    schema_version
        `SCHEMA_VERSION` of the writer.
    created
        UTC time of completion, ISO 8601.
    model
        ``name`` (shown in tables), ``family``, ``pretrained``, ``weights_sha256``, ``adapter``,
        ``dtype``, ``attention``, ``n_layers``, ``d_model``, ``n_parameters``, ``center_crop`` (0:
        the grid covers the whole image, a share: its central square, null: not known).
    tasks
        Task name -> ``version``, ``split``, ``n_samples``, ``threshold`` (of `correct`), ``kinds``.
    settings
        ``k``, ``temperature``, ``top_p``, ``seed`` and further capture settings.
    versions
        Package -> version.
    command
        The command line, one string per argument.
    invalid
        Signal -> why the validity gate rejected it for the whole run ("vrp_shapes: constant …").
    probe
        Task -> what was found on its hidden states, as `metrics.probe_panel` describes it: choices
        per fold, curves over layers, leakage, shuffled labels, the protocol ``paper``.
    fits
        "task:signal" -> what fitting adds to the standard error of the signal's AUROC, as
        `metrics.fit_spread.FitSpread` has it: ``repeats``, ``stderr``, ``stderr_within_kind``,
        ``stderr_within_answer``, ``p`` (permutation, or null). Empty in runs before it was kept.
    transfer
        Probes fitted on one task and scored on another: ``tasks`` (names) and ``auroc``, a matrix
        [fitted on][scored on] of numbers or null; the diagonal is out-of-fold. Empty for one task.
    sweeps
        Task -> how its interventions were chosen and what was refused, with reasons.
    cost
        ``seconds`` that rank 0 spent generating, ``n_samples`` it generated in them (fewer than
        there are after a resume or on several ranks), ``peak_memory_bytes`` of rank 0.
    files
        File name -> ``sha256`` and ``bytes``.
    """

    created: str
    model: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    versions: dict[str, str]
    command: list[str]
    invalid: dict[str, str] = field(default_factory=dict)
    probe: dict[str, dict[str, Any]] = field(default_factory=dict)
    fits: dict[str, dict[str, Any]] = field(default_factory=dict)
    transfer: dict[str, Any] = field(default_factory=dict)
    sweeps: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> RunManifest:
        """Read `to_json`'s form; raises RecordError naming what is wrong."""
        if not isinstance(data, dict):
            raise RecordError(f"manifest must be a JSON object, got {type(data).__name__}.")
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"manifest has schema_version {version!r}, this version reads {SCHEMA_VERSION}."
            )
        known = cls.__dataclass_fields__
        absent = sorted(
            name
            for name in ("created", "model", "tasks", "settings", "versions", "command")
            if name not in data
        )
        if absent:
            raise RecordError(f"manifest lacks the field(s) {', '.join(absent)}.")
        return cls(**{name: value for name, value in data.items() if name in known})
