"""Fitted probes on disk, and what a run makes of one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from metrics.states.fitted_probe import fit_probe
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.errors import SetupError
from vrp_tasks.run.preflight import check_unseen
from vrp_tasks.settings.probe_file import LoadedProbe, load_probe, save_probe


def saved(folder, task="vrp_x"):
    rng = np.random.default_rng(0)
    correct = np.arange(100) % 2
    hidden = rng.normal(size=(100, 3, 4)) + correct[:, None, None]
    probe = fit_probe(hidden, correct, range(100), rng=rng)
    save_probe(
        folder, probe, task=task, position="last_prompt", model={"name": "tiny"}, images=["b", "a"]
    )
    return probe, hidden


def test_what_is_loaded_gives_the_same_probability(tmp_path):
    probe, hidden = saved(tmp_path)
    loaded = load_probe(tmp_path)
    assert (loaded.task, loaded.model, loaded.position) == ("vrp_x", "tiny", "last_prompt")
    assert loaded.images == {"a", "b"}
    for i in range(5):
        expected = probe.probability(hidden[i : i + 1])[0]
        assert loaded.probability({"last_prompt": hidden[i]}) == expected
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]
    assert load_probe(tmp_path / "probe-vrp_x.json").probe.layer == probe.layer
    assert (tmp_path / "probe-vrp_x.safetensors").stat().st_mode & 0o777 == 0o644


def test_a_probe_that_does_not_know_its_images_is_refused(tmp_path):
    saved(tmp_path)
    path = tmp_path / "probe-vrp_x.json"
    about = json.loads(path.read_text())
    del about["images"]
    path.write_text(json.dumps({**about, "format": "vrp-tasks probe 1"}))
    with pytest.raises(SetupError, match="does not say which images it was fitted on"):
        load_probe(path)


def picture(colour, size=(4, 4)):
    return Image.new("RGB", size, colour)


def task_of(*docs):
    return SimpleNamespace(eval_docs=docs, doc_to_visual=lambda doc: doc["images"])


def test_images_are_told_by_their_pixels(tmp_path):
    red, blue = picture("red"), picture("blue")
    docs = [
        {"images": [red], "question": "a"},
        {"images": [picture("red")], "question": "b"},
        {"images": [blue, red], "question": "c"},
        {"images": [blue], "question": "d"},
        {"images": [picture("red", (2, 8))], "question": "e"},
        {"images": [], "question": "f"},
        {"images": [], "question": "g"},
    ]
    task = task_of(*docs)
    probe, _ = saved(tmp_path)
    images = [*content_hashes(task, docs[0]), *content_hashes(task, docs[5])]
    loaded = LoadedProbe(probe, "last_prompt", "t", "m", frozenset(images))
    seen = [loaded.has_seen(content_hashes(task, doc)) for doc in docs]
    assert seen == [True, True, True, False, False, True, False]
    check_unseen(loaded, {"t": task}, {"t": range(4)})
    with pytest.raises(SetupError, match="has seen the images of all samples of t, u"):
        check_unseen(loaded, {"t": task, "u": task}, {"t": range(3), "u": [5]})


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
    path.write_text(json.dumps({**about, "images": []}))
    with pytest.raises(SetupError, match="`images` must be the hashes"):
        load_probe(path)
    path.write_text("[]")
    with pytest.raises(SetupError, match="not in the format"):
        load_probe(path)
    path.write_text(json.dumps(about))
    path.with_suffix(".safetensors").write_bytes(b"garbage")
    with pytest.raises(SetupError, match="cannot be read"):
        load_probe(path)
