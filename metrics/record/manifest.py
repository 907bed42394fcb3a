"""What reproduces a run, and what its reader must know: ``manifest.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from metrics.errors import RecordError

SCHEMA_VERSION = 3

MANIFEST_FILE = "manifest.json"

# `model.geometry_self_test` of a manifest, where it is no fault
GEOMETRY_PASSED = "passed"
GEOMETRY_NOT_RUN = "not run"


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
        ``k``, ``temperature``, ``top_p``, ``seed`` and further capture settings;
        ``model_arguments``: those of the stock adapter, its defaults filled in.
    versions
        Package -> version.
    command
        The command line, one string per argument.
    invalid
        "task:signal" -> why the validity gate rejected it for the whole run ("constant …").
    not_offered
        "task:signal" -> why this access to the model, or these settings, do not offer it; nothing
        is wrong with it, and no record holds it.
    probe
        Task -> what was found on its hidden states, as `metrics.states.probe_panel` describes it:
        choices per fold, curves over layers, leakage, shuffled labels, the protocol ``paper``.
    fits
        "task:signal" -> what fitting adds to the standard error of the signal's AUROC, as
        `metrics.fitting.fit_spread.FitSpread` has it: ``repeats``, ``stderr``,
        ``stderr_within_kind``, ``stderr_within_answer``, ``p`` (permutation, or null). Empty in
        runs before it was kept.
    transfer
        Probes fitted on one task and scored on another: ``tasks`` (names) and ``auroc``, a matrix
        [fitted on][scored on] of numbers or null; the diagonal is out-of-fold. Empty for one task.
    sweeps
        Task -> how its interventions were chosen and what was refused, with reasons; ``words``:
        what a report says of each, as `metrics.record.interventions.InterventionWords` has it.
        Without words (runs before they were kept) an intervention has its bare name.
    cost
        ``seconds`` that rank 0 spent generating, ``n_samples`` it generated in them (fewer than
        there are after a resume or on several ranks), ``peak_memory_bytes`` of rank 0; of a server
        its ``requests`` and tokens.
    files
        File name -> ``sha256`` and ``bytes``.
    identity
        What another run must share to take answers over: ``run``, a hash of model, settings,
        versions, source and whatever else is common to its tasks, and ``tasks``, name -> hash.
        Empty in runs before it was kept; a task is not there if its records cannot be taken over.
    rescored
        Empty, or what computed the signals anew after the run, from its channels: ``created``,
        ``versions``, ``command``; ``run``: name of the folder and ``manifest_sha256``;
        ``recomputed``, ``added``, ``kept``: "task:signal" -> of how many samples.
    """

    created: str
    model: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    versions: dict[str, str]
    command: list[str]
    invalid: dict[str, str] = field(default_factory=dict)
    not_offered: dict[str, str] = field(default_factory=dict)
    probe: dict[str, dict[str, Any]] = field(default_factory=dict)
    fits: dict[str, dict[str, Any]] = field(default_factory=dict)
    transfer: dict[str, Any] = field(default_factory=dict)
    sweeps: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    rescored: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def geometry(self) -> str | None:
        """Why no signal on the image's grid counts on this model; None if the self-test passed."""
        said = self.model.get("geometry_self_test")
        trusted = said is None or said == GEOMETRY_PASSED or said.startswith(GEOMETRY_NOT_RUN)
        return None if trusted else str(said)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    def to_text(self) -> str:
        """Content of ``manifest.json``; raises ValueError for NaN and infinity."""
        return json.dumps(self.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, data: object) -> RunManifest:
        """Read `to_json`'s form; raises RecordError naming what is wrong."""
        if not isinstance(data, dict):
            raise RecordError(f"manifest must be a JSON object, got {type(data).__name__}.")
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"manifest has schema_version {version!r}, this version reads {SCHEMA_VERSION}. "
                "Run the model again with this version, or read the folder with the one that "
                "wrote it (manifest field versions)."
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
