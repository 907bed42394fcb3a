"""What a manifest says about where its numbers come from."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vrp_tasks.run_folder import sha256_of

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
_HASH_LIMIT = 2 * 1024**3  # larger checkpoints are told apart by name, size and header


def package_versions() -> dict[str, str]:
    """Installed versions of what a run's numbers depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a distribution"
    return found


def checkpoint_identity(pretrained: str, commit: str | None) -> dict[str, Any]:
    """``weights_sha256`` and what it covers, or the hub commit for a checkpoint that has one."""
    folder = Path(pretrained)
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not files:
        return {"weights_sha256": None, "commit": commit}
    whole = sum(path.stat().st_size for path in files) <= _HASH_LIMIT
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        if whole:
            digest.update(sha256_of(path).encode())
        else:
            with path.open("rb") as file:
                digest.update(f"{path.stat().st_size}".encode() + file.read(1024**2))
    return {
        "weights_sha256": digest.hexdigest(),
        "weights_sha256_of": "all bytes" if whole else "names, sizes and first MiB of each file",
        "commit": commit,
    }
