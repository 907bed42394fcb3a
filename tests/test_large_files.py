"""Files beside a run that a user was given: one of gigabytes ends in one line, and is not read."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from leaderboard.errors import PolicyError, ToleranceError
from leaderboard.policies.policy import read_policy
from leaderboard.release.tolerances import read_tolerances
from leaderboard.runs.bounded import read_json
from metrics.errors import RecordError
from metrics.states.fitted_probe import FittedProbe
from vrp_tasks.attach.labels import LabelFile
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.probe_file import load_probe, save_probe
from vrp_tasks.tasks.coco.annotations import read_pictures


def probe(path):
    """A saved probe, of which one file is large."""
    ones = np.ones(6)
    fitted = FittedProbe(2, 5, 6, ones, ones, ones, 0.0, 1.0, 0.0)
    save_probe(
        path.parent, fitted, task="t", position="last_prompt", model={"name": "m"}, images=["a"]
    )
    path.rename(path.with_name(f"probe-t{path.suffix}"))
    return load_probe(path.parent)


READERS = {
    "tolerances.toml": (read_tolerances, ToleranceError, "cannot be read: it has more than 1 MB"),
    "policy.json": (read_policy, PolicyError, "it has more than "),
    "manifest.json": (read_json, RecordError, "has 4294967296 bytes, more than "),
    "labels.json": (lambda path: LabelFile(str(path)), SetupError, "it has more than 64 MB"),
    "instances.json": (read_pictures, SetupError, "cannot be read .it has more than 512 MB"),
    "large.json": (probe, SetupError, "it has more than 64 MB"),
    "large.safetensors": (probe, SetupError, "it has more than 64 MB"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_gigabytes_is_one_line(name, tmp_path):
    read, error, words = READERS[name]
    path = Path(tmp_path / name)
    with path.open("wb") as file:
        file.truncate(2**32)  # takes no room
    tracemalloc.start()
    with pytest.raises(error, match=words) as found:
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()
    assert "\n" not in str(found.value)
