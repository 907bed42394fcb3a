"""Tables beside the records: written in parts by several ranks, one Parquet file at the end."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from leaderboard.runs.read import read_run
from metrics.record.channels import ImageMaps, PromptState
from metrics.record.records import IMAGES_FILE, INTERVENTIONS_FILE, MANIFEST_FILE, TABLES
from tests.vrp_tasks.helpers.run_folders import MANIFEST, at, channels, create, record
from vrp_tasks.run.folder import RunFolder
from vrp_tasks.run.thumbnails import SIDE, Thumbnails


def row(doc, **changes):
    values = {
        "task": "t", "split": "test", "doc_id": str(doc), "group": "image-1",
        "intervention": "mask_pixels", "choice": "random", "fill": "mean", "layer": None,
        "dose": 0.5, "unit": "share", "seed": 0, "answer": "yes", "correct": 1,
        "clean_correct": None, "agrees": 1, "logprob": -0.25, "clean_logprob": None,
    }  # fmt: skip
    return {**values, **changes}


def test_rows_of_several_ranks_come_together_and_nulls_stay_null(tmp_path):
    first = create(tmp_path)
    second = RunFolder(first.path, rank=1)
    kept = first.add([at(0), at(1), at(2)], [channels(0), channels(1), channels(2)])
    kept += second.add([at(3)], [channels(3)])
    first.look()  # at what the other rank has answered: rows of what nobody has do not count
    first.add_rows(INTERVENTIONS_FILE, [row(0), row(1)])
    first.add_rows(INTERVENTIONS_FILE, [row(2)])
    second.add_rows(INTERVENTIONS_FILE, [row(3, layer=4)])
    second.add_rows(INTERVENTIONS_FILE, [])
    assert [r["doc_id"] for r in first.rows(INTERVENTIONS_FILE)] == ["0", "1", "2", "3"]
    manifest = {**MANIFEST, "tasks": {"t": {"n_samples": 4}}}
    path = first.finish(kept, manifest)
    table = pq.read_table(path / INTERVENTIONS_FILE)
    assert table.schema.names == list(TABLES[INTERVENTIONS_FILE])
    assert table["layer"].to_pylist() == [None, None, None, 4]
    columns = read_run(path).columns_of(INTERVENTIONS_FILE, task="t")
    assert columns["layer"][3] == 4
    assert np.isnan(columns["clean_correct"]).all()
    assert columns["agrees"].tolist() == [1, 1, 1, 1]
    assert INTERVENTIONS_FILE in json.loads((path / MANIFEST_FILE).read_text())["files"]
    assert read_run(path).columns_of(INTERVENTIONS_FILE, task="other")["dose"].size == 0


def test_rows_survive_a_stop(tmp_path):
    first = create(tmp_path)
    first.add([at(0), at(1)], [channels(0), channels(1)])
    first.add_rows(INTERVENTIONS_FILE, [row(0)])
    first.release()
    again = create(tmp_path)
    again.look()
    assert [r["doc_id"] for r in again.rows(INTERVENTIONS_FILE)] == ["0"]
    again.add_rows(INTERVENTIONS_FILE, [row(1)])
    assert [r["doc_id"] for r in again.rows(INTERVENTIONS_FILE)] == ["0", "1"]


def test_an_image_is_kept_once_and_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    images, thumbnails = [Image.fromarray(noise)], Thumbnails()
    digest, (kept,) = thumbnails.take(images)
    assert (kept["width"], kept["height"]) == (SIDE, SIDE // 2)
    assert kept["sha256"] == digest
    assert thumbnails.take(images) == (digest, [])
    assert Thumbnails().take([]) == (None, [])
    folder = create(tmp_path)
    other = RunFolder(folder.path, rank=1)
    (answered,) = folder.add([at(0)], [channels(0)])
    folder.add_rows(IMAGES_FILE, [kept])
    other.add_rows(IMAGES_FILE, [kept])
    manifest = {**MANIFEST, "tasks": {"t": {"n_samples": 1}}}
    path = folder.finish([replace(answered, image=digest)], manifest)
    stored = read_run(path).columns_of(IMAGES_FILE)
    assert stored["sha256"].tolist() == [digest]
    assert stored["jpeg"][0][:2] == b"\xff\xd8"


def test_maps_come_back_on_their_grids(tmp_path):
    folder = create(tmp_path)
    own = {"image_maps": ImageMaps(np.arange(12, dtype=np.float32).reshape(2, 2, 3))}
    state = {"state_prompt": PromptState(np.ones((3, 4), np.float16))}
    records = folder.add([at(0), at(1)], [own, state])
    maps = folder.store.array(ImageMaps, "by_layer", [*records, record(2, None, None)])
    np.testing.assert_array_equal(maps[0], np.arange(12).reshape(2, 2, 3))
    assert maps[1:] == [None, None]
