"""Fitted probes on disk, and what a run makes of one."""

import json

import numpy as np
import pytest

from metrics.fitted_probe import fit_probe
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.probe_file import load_probe, save_probe


def saved(folder, task="vrp_x"):
    rng = np.random.default_rng(0)
    correct = np.arange(100) % 2
    hidden = rng.normal(size=(100, 3, 4)) + correct[:, None, None]
    probe = fit_probe(hidden, correct, range(100), rng=rng)
    save_probe(folder, probe, task=task, position="last_prompt", model={"name": "tiny"})
    return probe, hidden


def test_what_is_loaded_gives_the_same_probability(tmp_path):
    probe, hidden = saved(tmp_path)
    loaded = load_probe(tmp_path)
    assert (loaded.task, loaded.model, loaded.position) == ("vrp_x", "tiny", "last_prompt")
    for i in range(5):
        expected = probe.probability(hidden[i : i + 1])[0]
        assert loaded.probability({"last_prompt": hidden[i]}) == expected
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]
    assert load_probe(tmp_path / "probe-vrp_x.json").probe.layer == probe.layer


def test_each_way_of_having_no_probe_is_one_clear_line(tmp_path):
    with pytest.raises(SetupError, match="no saved probe"):
        load_probe(tmp_path)
    saved(tmp_path)
    saved(tmp_path, task="vrp_y/z")
    with pytest.raises(
        SetupError, match=r"several probes \(probe-vrp_x.json, probe-vrp_y_z.json\)"
    ):
        load_probe(tmp_path)
    path = tmp_path / "probe-vrp_x.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "layer": 9}))
    with pytest.raises(SetupError, match=r"`layer` must be in 0 … 2, got 9"):
        load_probe(path)
    path.write_text("[]")
    with pytest.raises(SetupError, match="not in the format"):
        load_probe(path)
    path.write_text(json.dumps(about))
    path.with_suffix(".safetensors").write_bytes(b"garbage")
    with pytest.raises(SetupError, match="cannot be read"):
        load_probe(path)
