import hashlib
import json
from dataclasses import replace

import pytest

from leaderboard.runs.read import Problem, Run, find_run_folders, read_run, read_runs
from metrics.errors import RecordError
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE
from tests.leaderboard.helpers.golden import (
    make_manifest,
    make_records,
    rows_of,
    write_rows,
    write_run,
)


def rows_and_manifest():
    records = make_records(8)
    return [record.to_row() for record in records], make_manifest(records).to_json()


def test_what_was_written_is_read(tmp_path):
    records = make_records(12)
    run = read_run(write_run(tmp_path / "run", records))
    assert list(run.records) == records
    assert run.model == "tiny-llava"
    assert run.of_task("shapes") == records
    assert run.of_task("other") == []


def test_a_signal_that_one_task_only_offers_is_in_its_records_alone(tmp_path):
    """The task that comes first lacks a signal, the other has one more; both orders are read."""
    one, other = make_records(8, task="one"), make_records(8, task="other")
    bare = [record.without_signals({"self_consistency"}) for record in one]
    for number, records in enumerate([bare + other, other + bare]):
        manifest = make_manifest(records, not_offered={"one:self_consistency": "k is 0"}).to_json()
        run = read_run(write_rows(tmp_path / str(number), rows_of(records), manifest))
        assert list(run.records) == records
    manifest |= {"not_offered": {}, "files": {}}
    folder = write_rows(tmp_path / "unsaid", rows_of(bare + other), manifest)
    with pytest.raises(RecordError, match="self_consistency is null without a reason"):
        read_run(folder)


def test_folders_are_found_at_any_depth_once_and_sorted(tmp_path):
    deep = write_run(tmp_path / "b" / "c" / "run")
    near = write_run(tmp_path / "a")
    (tmp_path / ".hidden").mkdir()
    write_run(tmp_path / ".hidden" / "run")
    write_run(near / "nested")
    assert find_run_folders([tmp_path, deep, tmp_path / "b"]) == [near, deep]


def test_unfinished_and_absent_runs_are_listed_and_not_read(tmp_path):
    parts = tmp_path / "run" / "parts"
    parts.mkdir(parents=True)
    (parts / "run.json").write_text("{}")
    unfinished, absent = sorted(
        read_runs([tmp_path, tmp_path / "nowhere"]),
        key=lambda problem: problem.status,
        reverse=True,
    )
    assert isinstance(unfinished, Problem)
    assert unfinished.status == "incomplete"
    assert "manifest.json" in unfinished.reason
    assert str(absent) == f"{tmp_path / 'nowhere'}: absent: no such file or folder"


def test_a_damaged_run_does_not_stop_the_others(tmp_path):
    good = write_run(tmp_path / "good")
    bad = write_run(tmp_path / "bad")
    with (bad / RECORDS_FILE).open("ab") as file:
        file.write(b"x")
    damaged, run = list(read_runs([tmp_path]))
    assert (damaged.path, damaged.status) == (bad, "damaged")
    assert "bytes; the manifest says" in damaged.reason
    assert isinstance(run, Run)
    assert run.path == good


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "schema_version 99"),
        ({"model": {}}, r"model\.name must be text, got None"),
        ({"model": "x"}, "field model must be an object"),
        ({"invalid": {"shapes:probe": 3}}, r"invalid\.shapes:probe must be text, got 3"),
        ({"cost": {"seconds": "soon"}}, r"cost\.seconds must be a number, got 'soon'"),
        ({"cost": {"requests": "many"}}, r"cost\.requests must be a number, got 'many'"),
        ({"probe": {"shapes": {"leakage": "none"}}}, "leakage must be an object, got 'none'"),
        ({"probe": {"shapes": {"paper": {"auroc": "x"}}}}, "paper.auroc must be a number, got 'x'"),
        ({"probe": {"shapes": {"shuffled_label_aurocs": 3}}}, "aurocs must be a list, got 3"),
        ({"probe": {"shapes": {"paper": {"auroc_sd": 0.1}}}}, "must have auroc_sd, n_splits, or"),
        ({"fits": {"shapes:probe": 1}}, r"fits\.shapes:probe must be an object, got 1"),
        (
            {"fits": {"shapes:probe": {"stderr": 0.1}}},
            r"probe\.repeats must be an integer, got None",
        ),
        (
            {"fits": {"s:p": {"repeats": 4, "stderr": -1}}},
            r"fits\.s:p\.stderr must not be negative",
        ),
        (
            {"fits": {"s:p": {"repeats": 4, "stderr": 0.1, "shuffled": [0.5, 2.0]}}},
            r"fits\.s:p\.shuffled must be of numbers in \[0, 1\]",
        ),
        (
            {"fits": {"s:p": {"repeats": 4, "stderr": 0.1, "shuffled": ["a"]}}},
            r"fits\.s:p\.shuffled must be numbers",
        ),
        (
            {"fits": {"s:p": {"repeats": 4, "stderr": 0.1, "shuffled": [0.5] * 10_001}}},
            r"fits\.s:p\.shuffled must be of at most 10000",
        ),
        ({"fits": {"s:p": {"repeats": 4, "stderr": None}}}, r"stderr must be a number, got None"),
        ({"fits": {"s:p": {"repeats": 0, "stderr": 0.1}}}, r"s:p\.repeats must be at least 1"),
        ({"fits": {"s:p": {"repeats": 4, "stderr": 0.1, "p": 5}}}, r"p must be in \[0, 1\], got 5"),
        ({"probe": {"shapes": {"probe": [1]}}}, "probe must be an object"),
        ({"probe": {"shapes": {"auroc_by_layer": ["x"]}}}, "auroc_by_layer must be a number"),
        ({"settings": {"k": "10"}}, "settings.k must be an integer, got '10'"),
        ({"settings": {"k": 10**39}}, "settings.k must be a count of samples"),
        ({"settings": {"k": -1}}, "settings.k must be a count of samples"),
        ({"cost": {"seconds": 10**39}}, "cost.seconds must be a number"),
        ({"cost": {"seconds": 10**400}}, "holds a number of 401 digits"),
        ({"cost": {"seconds": True}}, "cost.seconds must be a number"),
        ({"transfer": {"tasks": ["a"]}}, "transfer.auroc must be a matrix, got None"),
        ({"transfer": {"tasks": ["a"], "auroc": [[0.5, 0.5]]}}, "a row and column per task"),
        ({"transfer": {"tasks": ["a"], "auroc": [["x"]]}}, "transfer.auroc must be a number"),
        ({"tasks": {"other": {}}}, "the task 'shapes', which the manifest lacks"),
        ({"tasks": {"shapes": {"n_samples": 9}}}, "8 records; the manifest field n_samples says 9"),
        ({"tasks": {"shapes": 3}}, r"tasks\.shapes must be an object"),
        ({"tasks": {"shapes": {"threshold": "half"}}}, "threshold must be a number"),
        ({"tasks": {"shapes": {"threshold": 0.0}}}, "correct is 0 where score 0.0 and threshold"),
        ({"files": {"../x": {}}}, "no plain file name"),
        ({"files": {"arrays-0-0.safetensors": {}}}, "arrays-0-0.safetensors.* is missing"),
        ({"files": {RECORDS_FILE: {"sha256": "ab"}}}, "sha256 .* the manifest says ab…"),
    ],
)
def test_each_fault_of_a_manifest_is_named(tmp_path, change, message):
    rows, manifest = rows_and_manifest()
    write_rows(tmp_path / "run", rows, manifest | change)
    with pytest.raises(RecordError, match=message):
        read_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object, got list"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "holds a number of 5000 digits"),
        ('{"schema_version": 1}', "has schema_version 1, this version reads 3"),
        ('{"schema_version": 3}', "lacks the field.* created, model"),
    ],
)
def test_each_fault_of_a_manifest_file_is_named(tmp_path, text, message):
    (write_run(tmp_path / "run") / MANIFEST_FILE).write_text(text)
    with pytest.raises(RecordError, match=message):
        read_run(tmp_path / "run")


def drop(name):
    return lambda row: {key: value for key, value in row.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("answer"), r"lack the column\(s\) answer"),
        (lambda row: row | {"score": "1"}, "score must hold a number, got string"),
        (lambda row: row | {"answer": None}, "answer must hold text, got null"),
        (
            lambda row: row | {"answer": None if row["doc_id"] == "1" else "yes"},
            "answer must not be null, got 1 of 8",
        ),
        (lambda row: row | {"signal.probe": float("nan")}, "probe must be finite, got nan"),
        (lambda row: row | {"signal.probe": None}, "probe is null without a reason"),
        (lambda row: row | {"signal.prob": 1.0}, "Did you mean probe"),
        (lambda row: row | {"colour": 1}, "unknown column colour"),
        (lambda row: row | {"layers.spatial_entropy": [1.0, float("inf")]}, "must be finite"),
        (lambda row: row | {"score": 2.0}, r"score must be in \[0, 1\], got 2"),
        (lambda row: row | {"score": None}, "without a score"),
        (lambda row: row | {"correct": 2}, "correct must be 0, 1 or null, got 2"),
        (lambda row: row | {"normal_samples": ["a"]}, "normal_samples must be as many as samples"),
        (lambda row: row | {"doc_id": "1"}, "shapes/test/1 stands in the records 8 times"),
    ],
)
def test_each_fault_of_the_records_is_named(tmp_path, change, message):
    rows, manifest = rows_and_manifest()
    write_rows(tmp_path / "run", [change(row) for row in rows], manifest)
    with pytest.raises(RecordError, match=message):
        read_run(tmp_path / "run")


def test_records_that_are_no_parquet_are_a_damaged_run(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / RECORDS_FILE).write_bytes(b"no parquet")
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    digest = hashlib.sha256(b"no parquet").hexdigest()
    manifest["files"][RECORDS_FILE] = {"sha256": digest}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    (problem,) = read_runs([tmp_path])
    assert problem.status == "damaged"
    assert "no parquet file" in problem.reason


def test_unlabelled_records_are_legal(tmp_path):
    records = [replace(r, score=None, correct=None, target=None) for r in make_records(4)]
    assert list(read_run(write_run(tmp_path / "run", records)).records) == records
