"""What a manifest says about the machine and the packages of a run."""

from __future__ import annotations

import hashlib
import re
import resource
from collections.abc import Mapping, Sequence

import torch

from metrics.record.columns import values_of
from metrics.record.records import SampleRecord
from metrics.record.versions import versions_of
from vrp_tasks.place import Place, places_of

_PACKAGES = (
    "vrp-tasks",
    "lmms-eval",
    "transformers",
    "torch",
    "accelerate",
    "openai",
    "litellm",
    "datasets",
    "numpy",
    "scipy",
    "scikit-learn",
)


# a model argument whose value is nobody's business
_SECRET = re.compile(r"(\b\w*(?:api_key|token|secret|password)=)[^,\s]+", re.IGNORECASE)


def without_secrets(command: Sequence[str]) -> list[str]:
    """A command line, the values of keys and passwords among its arguments taken out."""
    return [_SECRET.sub(r"\1***", argument) for argument in command]


def prompts_of(
    sent: Mapping[Place, str | None], records: Sequence[SampleRecord]
) -> dict[str, dict[str, str]]:
    """Which prompts the records of each task were made with, as far as the access tells.

    Parameters
    ----------
    sent : mapping of Place to str or None
        ``<of what>:<SHA-256>`` of the prompt of a document, where it is known.
    records : sequence of SampleRecord
        Of the whole run.

    Returns
    -------
    dict
        Task -> ``of`` (what was hashed) and ``sha256`` of the documents' hashes in their order:
        runs in which both are equal were given the same prompts.
    """
    known = {place: prompt for place, prompt in sent.items() if prompt is not None}
    found: dict[str, dict[str, str]] = {}
    places = known.keys() & set(places_of(records))
    for task in dict.fromkeys(values_of(records, "task")):
        own = {place: known[place] for place in places if place.task == task}
        kinds = {prompt.partition(":")[0] for prompt in own.values()}
        if len(kinds) != 1:
            continue
        lines = "\n".join(f"{place.doc_id} {own[place]}" for place in sorted(own))
        found[task] = {"of": kinds.pop(), "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    return found


def package_versions() -> dict[str, str]:
    """Installed versions of what a run's numbers depend on."""
    return versions_of(_PACKAGES)


def peak_memory() -> int:
    """Peak memory of this process in bytes, of the GPU where there is one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
