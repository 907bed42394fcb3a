"""What made a run's answers: adapter, engine, prompts and sampling, as its manifest has them."""

from __future__ import annotations

from metrics.record.records import RunManifest

_SAMPLING = {
    "k": "{} samples",
    "temperature": "T = {}",
    "top_p": "top-p = {}",
    "top_k": "top-k = {}",
}
_SHOWN = 8  # digits of a hash


def adapter_of(manifest: RunManifest) -> str:
    """The adapter's module, less what all have in common: ``chat.openai``."""
    path = str(manifest.model.get("adapter") or "not recorded")
    return path.rpartition(".")[0].removeprefix("lmms_eval.models.") or path


def engine_of(manifest: RunManifest) -> str:
    """What ran the model, and its version as far as it is known."""
    model = manifest.model
    server = model.get("server")
    if isinstance(server, dict):
        known = [model.get("engine"), server.get("fingerprint")]
        return " ".join(["server", *(str(part) for part in known if part)])
    if model.get("access") == "text":
        return "not known"
    if isinstance(model.get("engine"), str):  # in the run's own process
        return str(model["engine"])
    return f"transformers {manifest.versions.get('transformers', '')}".strip()


def prompts_of(manifest: RunManifest, task: str) -> tuple[str, str] | None:
    """What was hashed of a task's prompts, and the hash; None where neither is recorded."""
    found = manifest.tasks.get(task, {}).get("prompts")
    if not isinstance(found, dict) or not {"of", "sha256"} <= found.keys():
        return None
    return str(found["of"]), str(found["sha256"])


def prompts_text(manifest: RunManifest, task: str) -> str:
    """The prompts' hash as tables show it."""
    found = prompts_of(manifest, task)
    return "not recorded" if found is None else f"{found[0]} {found[1][:_SHOWN]}"


def sampling_of(manifest: RunManifest) -> str:
    """How samples were drawn; runs in which it differs agree with themselves for other reasons."""
    given = {name: manifest.settings.get(name) for name in _SAMPLING}
    said = [text.format(given[name]) for name, text in _SAMPLING.items() if given[name] is not None]
    return ", ".join(said)
