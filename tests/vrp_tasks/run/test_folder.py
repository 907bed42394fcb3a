"""A run folder: written as the run goes, resumed when unfinished, complete with its manifest."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from loguru import logger

from metrics.record.channels import BlankState, ImageMaps, PromptState
from metrics.record.records import (
    GROUNDING_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
    REQUESTS_FILE,
    TABLES,
    RunManifest,
    SampleRecord,
)
from tests.vrp_tasks.helpers.run_folders import MANIFEST, NOW, at, channels, create, record
from vrp_tasks.errors import SetupError
from vrp_tasks.hashing import sha256_of
from vrp_tasks.run.folder import RunFolder, check_writable
from vrp_tasks.run.parts import Entry, Exchange


def test_what_is_written_is_what_is_read(tmp_path):
    folder = create(tmp_path)
    records = folder.add([at(0), at(1)], [channels(0), channels(1, with_map=False)])
    assert records == folder.records()
    states = folder.store.stacked(PromptState, "by_layer", records)
    np.testing.assert_array_equal(states, [np.full((3, 4), 0.0), np.full((3, 4), 1.0)])
    maps = folder.store.array(ImageMaps, "by_layer", records)
    assert maps[0].shape == (2, 1, 5)
    assert maps[1] is None
    path = folder.finish(records, MANIFEST)
    rows = pq.read_table(path / RECORDS_FILE).to_pylist()
    assert [SampleRecord.from_row(row) for row in rows] == records
    manifest = RunManifest.from_json(json.loads((path / MANIFEST_FILE).read_text()))
    assert set(manifest.files) == {RECORDS_FILE, REQUESTS_FILE, "arrays-0-0.safetensors"}
    for name, entry in manifest.files.items():
        assert entry["sha256"] == sha256_of(path / name)
    assert sorted(p.name for p in path.iterdir()) == sorted([*manifest.files, MANIFEST_FILE])


def test_a_task_that_comes_first_costs_the_others_no_column(tmp_path):
    folder = create(tmp_path)
    first = record(0, None, None, task="s", signals={}, layers={})
    path = folder.finish([first, record(1, None, None)], MANIFEST)
    rows = pq.read_table(path / RECORDS_FILE).to_pylist()
    assert [row["signal.self_consistency"] for row in rows] == [None, 0.5]
    assert rows[1]["layers.spatial_entropy"] == [1.0, 2.0]


def test_a_sample_without_its_state_leaves_no_made_up_row(tmp_path):
    folder = create(tmp_path)
    only_map = {"image_maps": ImageMaps(np.ones((2, 1, 5), np.float32))}
    records = folder.add([at(0), at(1), at(2)], [channels(0), only_map, {}])
    assert [(r.shard, r.row) for r in records] == [
        ("arrays-0-0.safetensors", 0),
        ("arrays-0-0.safetensors", 1),
        (None, None),
    ]
    states = folder.store.stacked(PromptState, "by_layer", records)
    assert states.shape == (1, 3, 4)  # a record without it takes no memory
    assert folder.store.where(PromptState, "by_layer", records).tolist() == [True, False, False]
    nowhere = [record(0, None, None)]
    assert folder.store.stacked(PromptState, "by_layer", nowhere) is None
    assert folder.store.stacked(BlankState, "by_layer", records) is None


def test_a_part_without_any_channel_writes_no_shard(tmp_path):
    folder = create(tmp_path)
    assert folder.add([at(0)], [{}])[0].shard is None
    assert not list(folder.path.glob("*.safetensors"))


def test_answers_nobody_was_asked_for_are_written_from_any_thread(tmp_path):
    folder = create(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda doc: folder.add_unasked(Entry(record(doc, None, None), Exchange())),
                range(40),
            )
        )
    assert sorted(int(r.doc_id) for r in folder.records()) == list(range(40))


def test_an_unfinished_run_is_gone_on_with(tmp_path):
    first = create(tmp_path)
    first.add([at(0)], [channels(0)])
    first.release()
    second = create(tmp_path)
    assert second.path == first.path
    assert [r.doc_id for r in second.records()] == ["0"]
    second.add([at(1)], [channels(1)])
    assert [(r.doc_id, r.shard) for r in second.records()] == [
        ("0", "arrays-0-0.safetensors"),
        ("1", "arrays-0-1.safetensors"),
    ]


def test_a_finished_run_another_fingerprint_or_a_run_still_going_is_left_alone(tmp_path):
    going = create(tmp_path)
    beside = create(tmp_path)
    assert beside.path != going.path
    going.release()
    other = RunFolder.create(tmp_path, now=NOW, fingerprint={"model": "another"})
    assert other.path not in (going.path, beside.path)
    beside.finish([record(0, None, None)], MANIFEST)
    later = create(tmp_path)
    assert later.path == going.path


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"model": "m", "settings": {"k": 5}}, "settings.k (10 and 5)"),
        (
            {"model": "m", "settings": {"k": 10, "model_arguments": {"max_pixels": 7}}},
            "settings.model_arguments (not recorded and {'max_pixels': 7})",
        ),
        (
            {"model": "x" * 99, "settings": {"k": 9}},
            "model; more (not recorded and 1); settings.k (10 and 9)",
        ),
    ],
)
def test_what_keeps_a_run_from_going_on_is_named(tmp_path, other, said):
    first = create(tmp_path)
    lines = []
    handler = logger.add(lambda message: lines.append(str(message)), level="INFO")
    going = RunFolder.create(tmp_path, now=NOW, fingerprint=other)
    assert lines == []  # the first one is still being written
    first.release()
    beside = RunFolder.create(tmp_path, now=NOW, fingerprint={**other, "more": 1})
    logger.remove(handler)
    assert beside.path not in (first.path, going.path)
    (line,) = lines
    assert f"the unfinished one in {first.path} was made with other" in line
    assert said in line
    assert create(tmp_path).path == first.path  # and was not touched


def test_part_written_only_by_half_is_not_there(tmp_path):
    folder = create(tmp_path)
    folder.add([at(0)], [channels(0)])
    (folder.here / "0-1.jsonl.partial").write_text('{"doc_id": ')
    assert len(folder.records()) == 1


def test_a_line_cut_off_by_a_stop_is_passed_over(tmp_path):
    folder = create(tmp_path)
    folder.add_unasked(Entry(record(0, None, None), Exchange()))
    with (folder.here / "unasked-0.jsonl").open("a") as file:
        file.write('{"task": "t", "doc_')
    assert [r.doc_id for r in folder.records()] == ["0"]


def test_notes_of_every_rank_outlive_a_stop(tmp_path):
    folder = create(tmp_path)
    folder.note("kind", {"a": 1})
    folder.note("kind", {"b": 2})
    RunFolder(folder.path, rank=1).note("kind", {"c": 3})
    assert RunFolder(folder.path, rank=0).notes("kind") == [
        (1, {"a": 1}),
        (1, {"b": 2}),
        (1, {"c": 3}),
    ]
    assert folder.notes("other") == []


def test_nan_is_refused(tmp_path):
    folder = create(tmp_path)
    layers = {"spatial_entropy": [float("nan")]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.add([lambda shard, row: record(0, shard, row, layers=layers)], [{}])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(SetupError, match="cannot write to the output folder"):
        check_writable(tmp_path / "out")


def test_an_output_path_that_is_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot write to the output folder .*file/out"):
        check_writable(tmp_path / "file" / "out")


def opened_together(base, n):
    """What as many calls at the same moment get."""
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: create(base), range(n)))


def test_runs_that_start_together_get_a_folder_each(tmp_path):
    for _ in range(5):
        found = opened_together(tmp_path, 8)
        assert len({folder.path for folder in found}) == 8
        for folder in found:
            folder.finish([record(0, None, None)], MANIFEST)
    assert len(list(tmp_path.glob("*_vrp"))) == 40


def test_one_of_those_that_start_together_goes_on(tmp_path):
    left = create(tmp_path)
    left.add([at(0)], [channels(0)])
    left.release()
    lines = []
    handler = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    found = opened_together(tmp_path, 8)
    logger.remove(handler)
    (again,) = [folder for folder in found if folder.path == left.path]
    assert [r.doc_id for r in again.records()] == ["0"]
    assert len({folder.path for folder in found}) == 8
    said = f"Another process writes to {left.path}; this run gets a folder of its own."
    assert sum(said in line for line in lines) == 7


def test_a_clock_that_was_set_back_gives_no_earlier_name(tmp_path):
    first = create(tmp_path)
    first.finish([record(0, None, None)], MANIFEST)
    earlier = NOW - timedelta(days=400)
    second = RunFolder.create(tmp_path, now=earlier, fingerprint={"model": "another"})
    third = RunFolder.create(tmp_path, now=NOW + timedelta(days=1), fingerprint={"model": "third"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        own.path.name for own in (first, second, third)
    ]


def test_of_two_openings_the_later_counts_and_rows_are_of_it(tmp_path):
    def row(doc, width):
        values = dict.fromkeys(TABLES[GROUNDING_FILE])
        return {**values, "task": "t", "split": "test", "doc_id": doc, "group": "g",
                "map": "region", "region_share": width}  # fmt: skip

    first = create(tmp_path)
    first.add([at(0), at(1)], [channels(0), channels(1)])
    first.add_rows(GROUNDING_FILE, [row("0", 0.1), row("1", 0.2), row("7", 0.3)])
    first.release()
    second = create(tmp_path)
    second.records()
    second.add(
        [at(0)], [channels(0)], beside=lambda _: second.add_rows(GROUNDING_FILE, [row("0", 0.9)])
    )
    found = {(own["doc_id"], own["region_share"]) for own in second.rows(GROUNDING_FILE)}
    assert found == {("0", 0.9), ("1", 0.2)}
    records = second.records()
    assert {(r.doc_id, r.shard) for r in records} == {
        ("0", "arrays-0-1.safetensors"),
        ("1", "arrays-0-0.safetensors"),
    }
    path = second.finish([r for r in records if r.doc_id == "0"], MANIFEST)
    table = pq.read_table(path / GROUNDING_FILE).to_pylist()
    assert [(own["doc_id"], own["region_share"]) for own in table] == [("0", 0.9)]
    assert [p.name for p in path.glob("arrays-*")] == ["arrays-0-1.safetensors"]
    assert pq.read_table(path / REQUESTS_FILE)["doc_id"].to_pylist() == ["0"]
