"""What a field of the manifest may hold, checked before anything is read by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard.runs.schema import MOST
from leaderboard.runs.sweep_words import declared_words
from metrics.errors import RecordError
from metrics.record.records import RunManifest


def check_manifest(manifest: RunManifest) -> None:
    """Check the fields of a manifest that the tables rest on.

    Raises
    ------
    RecordError
        If a field is missing or of another type; names the field.
    """
    for name in (
        "model", "tasks", "settings", "versions", "invalid", "not_offered", "probe", "fits",
        "transfer", "sweeps", "cost", "files", "rescored",
    ):  # fmt: skip
        _require(getattr(manifest, name), name, dict, "an object")
    _require(manifest.command, "command", list, "a list")
    _require(manifest.model.get("name"), "model.name", str, "text")
    if (said := manifest.model.get("geometry_self_test")) is not None:
        _require(said, "model.geometry_self_test", str, "text")
    for field in ("tasks", "files", "probe", "fits"):
        for key, entry in getattr(manifest, field).items():
            _require(entry, f"{field}.{key}", dict, "an object")
    for field, reasons in (("invalid", manifest.invalid), ("not_offered", manifest.not_offered)):
        _require_texts(reasons, field)
    optional = {f"tasks.{task}.threshold": e.get("threshold") for task, e in manifest.tasks.items()}
    measured = ("seconds", "n_samples", "peak_memory_bytes")
    for key in (*measured, "requests", "prompt_tokens", "completion_tokens"):
        optional[f"cost.{key}"] = manifest.cost.get(key)
    optional["model.n_parameters"] = manifest.model.get("n_parameters")
    for name, value in optional.items():
        _require_number(value, name)
    _check_settings(manifest.settings)
    _check_probes(manifest)
    _check_sweeps(manifest)


def _check_sweeps(manifest: RunManifest) -> None:
    for task, found in manifest.sweeps.items():
        _require(found, f"sweeps.{task}", dict, "an object")
        _require(found.get("words", {}), f"sweeps.{task}.words", dict, "an object")
        declared_words(manifest, task)
        _require(found.get("refused", {}), f"sweeps.{task}.refused", dict, "an object")
        _require_texts(found.get("refused", {}), f"sweeps.{task}.refused")


def _check_settings(settings: dict[str, Any]) -> None:
    for key, kind, words in (("k", int, "an integer"), ("model_arguments", dict, "an object")):
        if (value := settings.get(key)) is not None:
            _require(value, f"settings.{key}", kind, words)
    if not 0 <= (settings.get("k") or 0) < 2**63:
        raise RecordError("manifest field settings.k must be a count of samples.")


def _require_texts(reasons: dict[str, Any], field: str) -> None:
    for key, reason in reasons.items():
        _require(reason, f"{field}.{key}", str, "text")


MOST_SHUFFLES = 10_000  # permutations of the labels, of one signal


def _check_fit(found: dict[str, Any], name: str) -> None:
    _require(found.get("repeats"), f"{name}.repeats", int, "an integer")
    _require(found.get("stderr"), f"{name}.stderr", (int, float), "a number")
    for figure in ("stderr", "stderr_within_kind", "stderr_within_answer", "p"):
        _require_number(found.get(figure), f"{name}.{figure}")
        if (found.get(figure) or 0) < 0:
            raise RecordError(f"manifest field {name}.{figure} must not be negative.")
    if found["repeats"] < 1:
        raise RecordError(f"manifest field {name}.repeats must be at least 1.")
    _require_share(found.get("p"), f"{name}.p")
    shuffled = found.get("shuffled") or []
    _require(shuffled, f"{name}.shuffled", list, "a list")
    if len(shuffled) > MOST_SHUFFLES:
        raise RecordError(f"manifest field {name}.shuffled must be of at most {MOST_SHUFFLES}.")
    for value in shuffled:
        _require(value, f"{name}.shuffled", (int, float), "numbers")
        if not 0 <= value <= 1:
            raise RecordError(f"manifest field {name}.shuffled must be of numbers in [0, 1].")


def _check_probes(manifest: RunManifest) -> None:
    for key, fit in manifest.fits.items():
        _check_fit(fit, f"fits.{key}")
    for task, found in manifest.probe.items():
        _check_probe(found, f"probe.{task}")
    if manifest.transfer:
        _check_transfer(manifest.transfer)


# figures of the probe's bars; those from the third on are all there, or in an older run none is
_SPREADS = {
    "leakage": (
        "row_split", "grouped_split", "row_split_sd", "grouped_split_sd", "difference",
        "difference_sd", "n_repeats",
    ),
    "paper": ("auroc", "layer", "auroc_sd", "n_splits"),
}  # fmt: skip


def _require_together(entry: dict[str, Any], figures: Sequence[str], name: str) -> None:
    if len({entry.get(figure) is None for figure in figures}) > 1:
        raise RecordError(f"manifest field {name} must have {', '.join(figures)}, or none of them.")


def _check_probe(found: dict[str, Any], name: str) -> None:
    for part, figures in _SPREADS.items():
        entry = found.get(part)
        if entry is not None:
            _require(entry, f"{name}.{part}", dict, "an object")
            for figure in figures:
                _require_number(entry.get(figure), f"{name}.{part}.{figure}")
            _require_together(entry, figures[2:], f"{name}.{part}")
    _check_figures(found.get("figures", {}), f"{name}.figures")
    own = found.get("probe", found)
    _require(own, f"{name}.probe", dict, "an object")
    layers = own.get("auroc_by_layer")
    if layers is not None:
        _require(layers, f"{name}.auroc_by_layer", list, "a list")
        for value in layers:
            _require_number(value, f"{name}.auroc_by_layer")
    shuffled = found.get("shuffled_label_aurocs")
    if shuffled is not None:
        _require(shuffled, f"{name}.shuffled_label_aurocs", list, "a list")
        for value in shuffled:
            _require_number(value, f"{name}.shuffled_label_aurocs")


def _check_figures(found: dict[str, Any], name: str) -> None:
    """Figures beside fitted signals, by signal."""
    _require(found, name, dict, "an object")
    for signal, figures in found.items():
        _require(figures, f"{name}.{signal}", dict, "an object")
        for figure, value in figures.items():
            check = _require_share if figure in ("goal", "coverage") else _require_number
            check(value, f"{name}.{signal}.{figure}")


def _check_transfer(transfer: dict[str, Any]) -> None:
    tasks, matrix = transfer.get("tasks"), transfer.get("auroc")
    _require(transfer.get("reasons", {}), "transfer.reasons", dict, "an object")
    _require(tasks, "transfer.tasks", list, "a list")
    _require(matrix, "transfer.auroc", list, "a matrix")
    for task in tasks or ():
        _require(task, "transfer.tasks", str, "a list of text")
    for row in (matrix, *(matrix or ())):
        if not isinstance(row, list) or len(row) != len(tasks or ()):
            raise RecordError("manifest field transfer.auroc must have a row and column per task.")
    for row in matrix or ():
        for value in row:
            _require_number(value, "transfer.auroc")


def _require_number(value: object, name: str) -> None:
    """A number or null."""
    if value is None:
        return
    _require(value, name, (int, float), "a number")
    if isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) < MOST):
        raise RecordError(f"manifest field {name} must be a number, got {str(value)[:40]}.")


def _require_share(value: object, name: str) -> None:
    """A number in [0, 1], or null."""
    _require_number(value, name)
    if isinstance(value, int | float) and not 0 <= value <= 1:
        raise RecordError(f"manifest field {name} must be in [0, 1], got {value:g}.")


def _require(value: object, name: str, kind: type | tuple[type, ...], legal: str) -> None:
    if not isinstance(value, kind) or value == "":
        raise RecordError(f"manifest field {name} must be {legal}, got {value!r}.")
