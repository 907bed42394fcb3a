"""A run that goes on asks again whatever is another now; nothing of before stands beside it."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pictures
from safetensors import safe_open

from metrics.record.channels import ImageMaps
from metrics.record.records import GROUNDING_FILE, IMAGES_FILE, REQUESTS_FILE
from metrics.record.store import ChannelStore
from tests.vrp_tasks.helpers.local_task import write_local_tasks
from tests.vrp_tasks.helpers.stopped import asked, plain, run, said, slices_of, stopped
from vrp_tasks.registration import TASKS_FOLDER
from vrp_tasks.run import fingerprint
from vrp_tasks.run.folder import RunFolder


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A folder with a task on 24 questions, and the rows that it asks."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "tasks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder, write_local_tasks(folder)


def write(folder, rows):
    text = dict.fromkeys(("question_id", "image_id", "kind", "question", "answer"), Value("string"))
    table = Dataset.from_list(rows, features=Features({**text, "image": Image()}))
    table.to_parquet(folder / "questions.parquet")


def edited(rows):
    """Of the first eight rows two have another answer, one another question, one other pixels."""
    rows = [dict(row) for row in rows]
    rows[0]["answer"] = rows[5]["answer"] = "banana"
    rows[2]["question"] = "How many red objects are there in the image?"
    pixels = np.asarray(rows[3]["image"]).copy()
    pixels[0, 0] = 255 - pixels[0, 0]
    rows[3]["image"] = Pictures.fromarray(pixels)
    return rows


def reordered(rows):
    return [*rows[4:8], *rows[:4], *rows[8:]]


def longer(rows):
    return [*rows, *({**row, "question_id": f"more {n}"} for n, row in enumerate(rows[:2]))]


@pytest.mark.parametrize(
    ("change", "again", "why"),
    [
        (edited, "0235", ["image (1)", "prompt (1)", "reference answer (2)"]),
        (reordered, "01234567", ["image (4)", "prompt (8)"]),
        (longer, "", []),
    ],
)
def test_rows_that_are_others_now_are_asked_again(change, again, why, tasks, tmp_path):
    folder, rows = tasks
    stopped(folder, tmp_path / "out")
    write(folder, change(rows))
    with said() as lines, asked() as documents:
        found, _, records = run(folder, tmp_path / "out")
    assert sorted(documents, key=int)[: len(again)] == list(again)
    n_rows = len(change(rows))
    assert len(documents) == n_rows - 8 + len(again)
    assert [r.doc_id for r in records] == [str(n) for n in range(n_rows)]
    whole, _, fresh = run(folder, tmp_path / "fresh")
    assert plain(records) == plain(fresh)
    maps = [maps_of(found, records), maps_of(whole, fresh)]
    np.testing.assert_array_equal(*maps)
    assert pictures_of(found) == pictures_of(whole)
    assert requests_of(found) == requests_of(whole)
    if not again:
        assert not [line for line in lines if "asked again" in line]
        return
    (line,) = [line for line in lines if "asked again" in line]
    assert f"vrp_by_file: {len(again)} samples that are there are asked again" in line
    assert all(reason in line for reason in why)


def maps_of(folder, records):
    store = ChannelStore(lambda shard: safe_open(folder / shard, framework="numpy"))
    return store.stacked(ImageMaps, "by_layer", records)


def pictures_of(folder):
    return set(pq.read_table(folder / IMAGES_FILE)["sha256"].to_pylist())


def requests_of(folder):
    rows = pq.read_table(folder / REQUESTS_FILE).to_pylist()
    return sorted(rows, key=lambda row: int(row["doc_id"]))


def new_scorer(folder, _patch):
    text = (folder / "scorer.py").read_text()
    (folder / "scorer.py").write_text(text.replace('rstrip(".")', 'rstrip(". ")'))


def new_source(_folder, patch):
    patch.setattr(fingerprint, "source_hash", lambda: "0" * 64)


def new_labels(folder, _patch):
    (folder / "labels" / "labels.json").write_text(LABEL.replace("yes", "no"))


LABEL = '{"image": "scene 0", "text": "?", "label": "yes"}\n'


@pytest.mark.parametrize(
    ("change", "named"),
    [(new_scorer, "tasks.vrp_by_file.code"), (new_source, "source"), (new_labels, "files.labels")],
)
def test_what_concerns_every_sample_starts_a_new_run(change, named, tasks, tmp_path, monkeypatch):
    folder, rows = tasks
    (folder / "labels").mkdir()
    (folder / "labels" / "labels.json").write_text(LABEL.replace("?", rows[0]["question"]))
    arguments = f"k=0,hidden_dtype=none,labels={folder / 'labels'}"
    stopped(folder, tmp_path / "out", arguments=arguments, limit=6, after=1)
    change(folder, monkeypatch)
    if change is new_labels:
        text = (folder / "labels" / "labels.json").read_text()
        (folder / "labels" / "labels.json").write_text(text.replace("?", rows[0]["question"]))
    with said() as lines, asked() as documents:
        run(folder, tmp_path / "out", arguments=arguments, limit=6)
    assert len(documents) == 6
    (line,) = [line for line in lines if "A new run is started" in line]
    assert f"made with other {named}" in line


def test_a_stop_between_capture_and_its_rows_loses_none(tmp_path, monkeypatch):
    def tables(folder):
        rows = pq.read_table(folder / GROUNDING_FILE).to_pylist()
        return sorted(rows, key=lambda row: (int(row["doc_id"]), row["map"]))

    task = {"task": "vrp_shapes_grounding", "limit": 6}
    with slices_of(2):
        whole, _, records = run(TASKS_FOLDER, tmp_path / "whole", **task)
        stock, calls = RunFolder.add_entries, []

        def stop(self, entries):
            calls.append(entries)
            if len(calls) == 2:
                raise KeyboardInterrupt  # the rows of the slice are written, its records are not
            stock(self, entries)

        with monkeypatch.context() as patch:
            patch.setattr(RunFolder, "add_entries", stop)
            with pytest.raises(KeyboardInterrupt):
                run(TASKS_FOLDER, tmp_path / "out", **task)
        with asked() as documents:
            found, _, again = run(TASKS_FOLDER, tmp_path / "out", **task)
    assert len(documents) == 4
    assert plain(again) == plain(records)
    assert tables(found) == tables(whole)
