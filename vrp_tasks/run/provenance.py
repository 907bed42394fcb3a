"""What a manifest says about the machine and the packages of a run."""

from __future__ import annotations

import resource

import torch

from metrics.record.versions import versions_of

_PACKAGES = (
    "vrp-tasks",
    "lmms-eval",
    "transformers",
    "torch",
    "accelerate",
    "datasets",
    "numpy",
    "scipy",
    "scikit-learn",
)


def package_versions() -> dict[str, str]:
    """Installed versions of what a run's numbers depend on."""
    return versions_of(_PACKAGES)


def peak_memory() -> int:
    """Peak memory of this process in bytes, of the GPU where there is one."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
