"""A run folder: written as the run goes, resumed when unfinished, complete with its manifest."""

import json
import os
import stat

import numpy as np
import pyarrow.parquet as pq
import pytest
from loguru import logger

from metrics.records import MANIFEST_FILE, RECORDS_FILE, RunManifest, SampleRecord
from vrp_tasks.errors import SetupError
from vrp_tasks.run_folder import RunFolder, check_writable, sha256_of

FINGERPRINT = {"model": "m", "settings": {"k": 10}}
MANIFEST = {
    "created": "2026-01-01T00:00:00+00:00",
    "model": {"name": "m"},
    "tasks": {},
    "settings": {},
    "versions": {},
    "command": [],
}


def payload(doc):
    return {"task": "t", "split": "test", "doc_id": str(doc), "answer": "yes"}


def arrays(doc, *, with_map=True):
    own = {"hidden_last_prompt": np.full((3, 4), doc, dtype=np.float16)}
    if with_map:
        own["map_layers"] = np.full((2, 5 + doc), 0.1, dtype=np.float32)
    return own


def record(doc, shard, row, **changes):
    values = {
        "task": "t",
        "split": "test",
        "doc_id": str(doc),
        "group": "image-1",
        "kind": "all",
        "prompt": "?",
        "answer": "yes",
        "target": "yes",
        "score": 1.0,
        "correct": 1,
        "samples": ["yes", "no"],
        "signals": {"self_consistency": 0.5, "probe": None},
        "layers": {"spatial_entropy": [1.0, 2.0]},
        "missing": {"probe": "one class"},
        "grid": [2, 3],
        "n_answer_tokens": 1,
        "shard": shard,
        "row": row,
    }
    return SampleRecord(**{**values, **changes})


def create(base, rank=0):
    return RunFolder.create(base, stamp="20260101_000000", fingerprint=FINGERPRINT, rank=rank)


def test_what_is_written_is_what_is_read(tmp_path):
    folder = create(tmp_path)
    payloads = [payload(0), payload(1)]
    folder.add(payloads, [arrays(0), arrays(1, with_map=False)])
    records = [record(i, p["shard"], p["row"]) for i, p in enumerate(payloads)]
    states = folder.rows_of("hidden_last_prompt", records)
    np.testing.assert_array_equal(states, [np.full((3, 4), 0.0), np.full((3, 4), 1.0)])
    path = folder.finish(records, MANIFEST)
    rows = pq.read_table(path / RECORDS_FILE).to_pylist()
    assert [SampleRecord.from_row(row) for row in rows] == records
    manifest = RunManifest.from_json(json.loads((path / MANIFEST_FILE).read_text()))
    assert set(manifest.files) == {RECORDS_FILE, "arrays-0-0.safetensors"}
    for name, entry in manifest.files.items():
        assert entry["sha256"] == sha256_of(path / name)
    assert sorted(p.name for p in path.iterdir()) == sorted([*manifest.files, MANIFEST_FILE])


def test_ragged_maps_are_found_by_their_offsets(tmp_path):
    from safetensors.numpy import load_file

    folder = create(tmp_path)
    folder.add([payload(i) for i in range(3)], [arrays(0), arrays(1, with_map=False), arrays(2)])
    shard = load_file(folder.path / "arrays-0-0.safetensors")
    assert shard["map_offsets"].tolist() == [0, 5, 5, 12]
    assert shard["map_layers"].shape == (2, 12)


def test_a_sample_without_its_state_leaves_no_made_up_row(tmp_path):
    folder = create(tmp_path)
    payloads = [payload(0), payload(1)]
    folder.add(payloads, [arrays(0), {"map_layers": np.ones((2, 5), np.float32)}])
    records = [record(i, p["shard"], p["row"]) for i, p in enumerate(payloads)]
    states = folder.rows_of("hidden_last_prompt", records)
    assert np.isfinite(states[0]).all()
    assert np.isnan(states[1]).all()
    assert folder.rows_of("hidden_last_prompt", [record(0, None, None)]) is None
    assert folder.rows_of("hidden_blank", records) is None


def test_an_unfinished_run_is_gone_on_with(tmp_path):
    first = create(tmp_path)
    first.add([payload(0)], [arrays(0)])
    first.release()
    second = create(tmp_path)
    assert second.path == first.path
    assert [p["doc_id"] for p in second.captured()] == ["0"]
    second.add([payload(1)], [arrays(1)])
    assert [(p["doc_id"], p["shard"]) for p in second.captured()] == [
        ("0", "arrays-0-0.safetensors"),
        ("1", "arrays-0-1.safetensors"),
    ]


def test_a_finished_run_another_fingerprint_or_a_run_still_going_is_left_alone(tmp_path):
    going = create(tmp_path)
    beside = create(tmp_path)
    assert beside.path != going.path
    going.release()
    other = RunFolder.create(tmp_path, stamp="s", fingerprint={"model": "another"})
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
    going = RunFolder.create(tmp_path, stamp="s", fingerprint=other)
    assert lines == []  # the first one is still being written
    first.release()
    beside = RunFolder.create(tmp_path, stamp="t", fingerprint={**other, "more": 1})
    logger.remove(handler)
    assert beside.path not in (first.path, going.path)
    (line,) = lines
    assert f"the unfinished one in {first.path} was made with other" in line
    assert said in line
    assert create(tmp_path).path == first.path  # and was not touched


def test_part_written_only_by_half_is_not_there(tmp_path):
    folder = create(tmp_path)
    folder.add([payload(0)], [arrays(0)])
    (folder.parts / "0-1.jsonl.partial").write_text('{"doc_id": ')
    assert len(folder.captured()) == 1


def test_nan_is_refused(tmp_path):
    folder = create(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.add([{**payload(0), "signal": float("nan")}], [{}])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_clear_error(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(SetupError, match="cannot write to the output folder"):
        check_writable(tmp_path / "out")


def test_an_output_path_that_is_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot write to the output folder .*file/out"):
        check_writable(tmp_path / "file" / "out")
