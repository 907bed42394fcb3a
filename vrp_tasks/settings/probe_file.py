"""A fitted probe on disk: vectors as safetensors, numbers and origin as JSON, never a pickle.

With it go the hashes of the images that it was fitted on. Their answers it has seen, so it scores
those of other images only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load
from transformers import PretrainedConfig

from metrics.record.bounded_file import MEGA, bytes_within, text_within
from metrics.states.fitted_probe import FittedProbe
from metrics.states.probe_panel import POSITIONS
from vrp_tasks.errors import MADE_UP, SetupError, in_short
from vrp_tasks.whole_files import write_arrays, write_text

_FORMAT = "vrp-tasks probe 2"
_MOST = 64 * MEGA  # bytes of either file; the hashes of a million images
_WITHOUT_IMAGES = "vrp-tasks probe 1"
SEEN = "its image is one of those that the probe was fitted on"


@dataclass(frozen=True)
class LoadedProbe:
    """A probe, the position whose state it reads, where it comes from, and what it has seen."""

    probe: FittedProbe
    position: str
    task: str
    model: str
    images: frozenset[str]

    def has_seen(self, images: Iterable[str]) -> bool:
        """Whether it was fitted on one of these images, told by their `content_hashes`."""
        return not self.images.isdisjoint(images)

    def digest(self) -> str:
        """Hash of all of it."""
        arrays, numbers = self.probe.to_arrays()
        about = [self.position, self.task, self.model, sorted(self.images), sorted(numbers.items())]
        digest = hashlib.sha256(json.dumps(about).encode())
        for name in sorted(arrays):
            digest.update(name.encode() + arrays[name].tobytes())
        return digest.hexdigest()

    def probability(self, hidden: dict[str, np.ndarray]) -> np.ndarray:
        """P(correct) of one answer, (1,), of its states by position, each (n_layers + 1, d)."""
        probability: np.ndarray = self.probe.probability(hidden[self.position][None])
        return probability


def save_probe(
    folder: Path,
    probe: FittedProbe,
    *,
    task: str,
    position: str,
    model: dict[str, Any],
    images: Iterable[str],
) -> None:
    """Write ``probe-<task>.safetensors`` and ``probe-<task>.json``.

    ``images`` are the `content_hashes` of every document it was fitted on.
    """
    arrays, numbers = probe.to_arrays()
    stem = "probe-" + re.sub(r"[^\w.-]", "_", task)
    about = {"format": _FORMAT, "task": task, "position": position, "model": model["name"]}
    write_arrays(folder / f"{stem}.safetensors", arrays)
    seen = {"images": sorted(set(images))}
    text = json.dumps({**about, **numbers, **seen}, indent=1, allow_nan=False)
    write_text(folder / f"{stem}.json", text + "\n")


def load_probe(path: Path) -> LoadedProbe:
    """Read a probe.

    Parameters
    ----------
    path : Path
        A folder with one saved probe (a run folder of one task, say), or the ``.json`` of one.

    Raises
    ------
    SetupError
        If there is none, more than one, one that cannot be read, or one of before probes kept the
        images they were fitted on.
    """
    found = sorted(path.glob("probe-*.json")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise SetupError(
            f"probe={path}: no saved probe (probe-<task>.json) there. Runs with labels save one "
            "into their run folder."
        )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise SetupError(f"probe={path} holds several probes ({names}): give the file of one.")
    (file,) = found
    try:
        with file.open("rb") as opened:
            about = json.loads(text_within(opened, _MOST))
        if isinstance(about, dict) and about.get("format") == _WITHOUT_IMAGES:
            raise SetupError(
                f"probe={file} does not say which images it was fitted on, so it could score them: "
                "make it again with this version."
            )
        if not isinstance(about, dict) or about.get("format") != _FORMAT:
            raise ValueError(f"not in the format {_FORMAT!r}")
        with file.with_suffix(".safetensors").open("rb") as opened:
            probe = FittedProbe.from_arrays(load(bytes_within(opened, _MOST)), about)
        if about["position"] not in POSITIONS:
            raise ValueError(f"`position` must be one of {', '.join(POSITIONS)}")
        origin = str(about["position"]), str(about["task"]), str(about["model"])
        return LoadedProbe(probe, *origin, _image_hashes(about["images"]))
    except SetupError:
        raise
    except (OSError, SafetensorError, *MADE_UP) as error:
        raise SetupError(f"probe={file} cannot be read: {in_short(error)}.") from error


def check_probe(loaded: LoadedProbe, config: PretrainedConfig) -> None:
    """Raise SetupError unless a loaded probe was fitted on a model of this shape."""
    probe, text = loaded.probe, config.get_text_config()
    if (probe.n_layers_stored, probe.d_model) != (text.num_hidden_layers + 1, text.hidden_size):
        raise SetupError(
            f"the probe fitted on {loaded.task} and {loaded.model} reads "
            f"{probe.n_layers_stored - 1} layers of {probe.d_model} dimensions, this model has "
            f"{text.num_hidden_layers} of {text.hidden_size}. Give one fitted on such a model."
        )


def _image_hashes(found: Any) -> frozenset[str]:
    if not isinstance(found, list) or not found or not all(isinstance(h, str) for h in found):
        raise ValueError("`images` must be the hashes of the images it was fitted on")
    return frozenset(found)
