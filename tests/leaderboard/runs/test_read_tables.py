"""The optional tables beside the records: checked by schema at once, by value when read."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaderboard.results.workers import evaluate_folder
from leaderboard.runs.read import Problem, read_run
from metrics.errors import RecordError
from metrics.record.records import GROUNDING_FILE, INTERVENTIONS_FILE, TABLES
from tests.leaderboard.helpers.golden import make_records, write_run

ROW = {"text": "x", "integer": 1, "number": 0.5, "bytes": b"x"}


def rows_of(file, n=3, **changes):
    own = {name: ROW[column.kind] for name, column in TABLES[file].items()}
    return [own | {"task": "shapes", "doc_id": str(i)} | changes for i in range(n)]


def run_with(folder, file, rows):
    """A run with one more table, named in its manifest."""
    scratch = folder.parent / "scratch.parquet"
    pq.write_table(pa.Table.from_pylist(rows), scratch)
    data = scratch.read_bytes()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write_run(folder, make_records(8), files={file: entry})
    scratch.rename(folder / file)
    return folder


def without(rows, name):
    return [{key: value for key, value in row.items() if key != name} for row in rows]


@pytest.mark.parametrize("file", [INTERVENTIONS_FILE, GROUNDING_FILE])
def test_a_table_as_declared_is_read(tmp_path, file):
    run = read_run(run_with(tmp_path / "run", file, rows_of(file)))
    columns = run.columns_of(file, task="shapes")
    assert list(columns) == list(TABLES[file])
    assert columns["doc_id"].tolist() == ["0", "1", "2"]
    assert columns["correct"].tolist() == [1.0, 1.0, 1.0]
    assert len(run.columns_of(file, task="other")["doc_id"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: without(rows, "dose"), "lacks the column dose"),
        (lambda rows: [row | {"colour": 1} for row in rows], "has the unknown column colour"),
        (
            lambda rows: [row | {"dose": "half"} for row in rows],
            "dose must hold number, got string",
        ),
    ],
)
def test_a_table_of_other_columns_is_a_damaged_run_although_nobody_reads_it(
    tmp_path, change, message
):
    folder = run_with(tmp_path / "run", INTERVENTIONS_FILE, change(rows_of(INTERVENTIONS_FILE)))
    with pytest.raises(RecordError, match=f"{INTERVENTIONS_FILE}.*{message}"):
        read_run(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dose": np.nan}, "dose must be finite"),
        ({"logprob": np.inf}, "logprob must be finite"),
        ({"correct": 2}, "correct must be 0, 1 or null"),
        ({"agrees": -1}, "agrees must be 0, 1 or null"),
    ],
)
def test_an_illegal_value_is_found_when_the_table_is_read_and_the_run_is_listed(
    tmp_path, change, message
):
    rows = rows_of(INTERVENTIONS_FILE)
    rows[1] |= change
    folder = run_with(tmp_path / "run", INTERVENTIONS_FILE, rows)
    with pytest.raises(RecordError, match=message):
        read_run(folder).columns_of(INTERVENTIONS_FILE)
    found = evaluate_folder(folder)
    assert isinstance(found, Problem)
    assert found.status == "damaged"
    assert message in found.reason


def test_a_null_where_none_may_be_is_found(tmp_path):
    rows = rows_of(INTERVENTIONS_FILE)
    rows[0]["dose"] = None
    folder = run_with(tmp_path / "run", INTERVENTIONS_FILE, rows)
    with pytest.raises(RecordError, match="column dose must not be null"):
        read_run(folder).columns_of(INTERVENTIONS_FILE)
