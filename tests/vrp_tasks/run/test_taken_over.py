"""A complete run is no waste: a limit that grows asks the new samples, and nothing is run twice."""

import json

import pyarrow.parquet as pq
import pytest

from metrics.record.records import INTERVENTIONS_FILE, RECORDS_FILE, REQUESTS_FILE
from tests.vrp_tasks.helpers.stopped import asked, plain, run, said, stopped
from vrp_tasks.registration import TASKS_FOLDER

SHAPES = {"task": "vrp_shapes", "arguments": "k=3"}
WITH_ROWS = {
    "robustness": {"task": "vrp_shapes_robustness", "arguments": "k=0,hidden_dtype=none"},
    "grounding": {"task": "vrp_shapes_grounding", "arguments": "k=0,hidden_dtype=none"},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def folders(output):
    return sorted(output.glob("*/*_vrp"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("given", [SHAPES, *WITH_ROWS.values()], ids=["plain", *WITH_ROWS])
def test_the_same_command_after_a_complete_run_says_where_it_is(given, tmp_path):
    first, _, _ = run(TASKS_FOLDER, tmp_path / "out", limit=8, **given)
    before = contents(first)
    with said() as lines, asked() as documents:
        again, _, _ = run(TASKS_FOLDER, tmp_path / "out", limit=8, **given)
    assert documents == []
    assert folders(tmp_path / "out") == [first] == [again]
    assert contents(first) == before
    (line,) = [line for line in lines if "complete already" in line]
    assert str(first) in line


@pytest.mark.parametrize("limit", [6, 14])
def test_another_limit_takes_over_what_is_there(limit, tmp_path):
    whole, fresh, records = run(TASKS_FOLDER, tmp_path / "whole", limit=limit, **SHAPES)
    first, _, _ = run(TASKS_FOLDER, tmp_path / "out", limit=10, **SHAPES)
    before = contents(first)
    with asked() as documents:
        found, manifest, again = run(TASKS_FOLDER, tmp_path / "out", limit=limit, **SHAPES)
    assert documents == [str(doc) for doc in range(10, limit)]
    assert found != first
    assert contents(first) == before
    assert plain(again) == plain(records)
    assert {r.shard for r in again} <= {path.name for path in found.iterdir()}
    for part in ("tasks", "not_offered", "invalid", "probe", "fits", "identity"):
        assert manifest[part] == fresh[part]
    tables = [pq.read_table(folder / REQUESTS_FILE).to_pylist() for folder in (found, whole)]
    assert sorted(tables[0], key=lambda row: int(row["doc_id"])) == tables[1]


def test_a_wider_limit_after_a_complete_sweep_ranks_anew(tmp_path):
    given = WITH_ROWS["robustness"]
    fresh, _, _ = run(TASKS_FOLDER, tmp_path / "whole", limit=16, **given)
    run(TASKS_FOLDER, tmp_path / "out", limit=8, **given)
    with asked() as documents:
        found, _, _ = run(TASKS_FOLDER, tmp_path / "out", limit=16, **given)
    assert len(documents) == 8
    tables = [pq.read_table(folder / INTERVENTIONS_FILE).to_pylist() for folder in (found, fresh)]
    assert len(tables[0]) == len(tables[1])
    assert sorted(map(str, tables[0])) == sorted(map(str, tables[1]))


def test_a_run_that_took_answers_over_may_be_stopped_too(tmp_path):
    _, _, records = run(TASKS_FOLDER, tmp_path / "whole", limit=14, **SHAPES)
    run(TASKS_FOLDER, tmp_path / "out", limit=4, **SHAPES)
    stopped(TASKS_FOLDER, tmp_path / "out", limit=14, size=2, **SHAPES)
    with asked() as documents:
        _, _, again = run(TASKS_FOLDER, tmp_path / "out", limit=14, **SHAPES)
    first = int(documents[0])
    assert 4 < first < 14  # what was answered before the stop is not asked again
    assert documents == [str(doc) for doc in range(first, 14)]
    assert plain(again) == plain(records)


def spoil_the_records(folder):
    (folder / RECORDS_FILE).write_bytes(b"PAR1")


def lose_an_array(folder):
    next(folder.glob("arrays-*")).unlink()


def forge_the_identity(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["identity"] = ["nothing"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("spoil", [spoil_the_records, lose_an_array, forge_the_identity])
def test_a_run_that_is_not_whole_is_no_source(spoil, tmp_path):
    first, _, records = run(TASKS_FOLDER, tmp_path / "out", limit=4, **SHAPES)
    spoil(first)
    with asked() as documents:
        again, _, anew = run(TASKS_FOLDER, tmp_path / "out", limit=4, **SHAPES)
    assert documents == ["0", "1", "2", "3"]
    assert again != first
    assert plain(anew) == plain(records)
