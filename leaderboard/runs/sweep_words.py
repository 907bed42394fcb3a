"""What a run folder says of its interventions, and what is said of those it is silent about."""

from __future__ import annotations

from collections.abc import Iterable

from metrics.record.interventions import InterventionWords
from metrics.record.records import RunManifest

_MASK = {"ranked": "most attended", "least": "least attended", "random": "random"}
_ABLATE = {"ranked": "ranked by probe weight", "random": "random"}
_TOKENS, _UNITS = "share of the image tokens", "share of the units"
_TO = {"zero": "to zero", "mean": "to the mean"}

# Folders that were written before a run said it itself. A new intervention does not belong here.
SILENT = {
    "mask_attention": InterventionWords("attention to image tokens blocked", _TOKENS, _MASK),
    "mask_pixels": InterventionWords(
        "pixels replaced", _TOKENS, _MASK, {"mean": "to the mean", "blur": "by blur"}
    ),
    "ablate_residual": InterventionWords(
        "residual dimensions ablated", _UNITS, _ABLATE, _TO, "residual"
    ),
    "ablate_mlp": InterventionWords("MLP units ablated", _UNITS, _ABLATE, _TO, "mlp"),
    "bypass_mlp": InterventionWords("MLP bypassed"),
    "bypass_attention": InterventionWords("attention bypassed"),
}


def declared_words(manifest: RunManifest, task: str) -> dict[str, InterventionWords]:
    """What the manifest says of a task's interventions.

    Raises
    ------
    RecordError
        If it is of another form; names the field.
    """
    stated = manifest.sweeps.get(task, {}).get("words", {})
    return {
        name: InterventionWords.from_json(data, f"sweeps.{task}.words.{name}")
        for name, data in stated.items()
    }


def sweep_words(
    manifest: RunManifest, task: str, swept: Iterable[tuple[str, str]]
) -> dict[str, InterventionWords]:
    """Words of every intervention of a sweep: the run's own, or its bare names.

    Parameters
    ----------
    manifest : RunManifest
        Checked by `leaderboard.runs.manifest_fields.check_manifest`.
    task : str
        One of its tasks.
    swept : iterable of (intervention, fill)
        What the sweep's table holds.
    """
    known = SILENT | declared_words(manifest, task)
    fills: dict[str, dict[str, str]] = {}
    for name, fill in swept:
        fills.setdefault(name, {})[fill] = fill
    return {
        name: known.get(name) or InterventionWords(name, fills=own) for name, own in fills.items()
    }
