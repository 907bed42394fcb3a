"""What a stranger's file claims, and what it becomes, is bounded before it is believed."""

import json
import resource
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaderboard.cli import main
from leaderboard.results import workers
from leaderboard.runs.bounded import batches_of, read_json, schema_of, values_of
from leaderboard.runs.footer import claimed_bytes
from metrics.errors import RecordError
from metrics.record.held import HeldRecords
from metrics.record.records import GROUNDING_FILE, INTERVENTIONS_FILE, MANIFEST_FILE, RECORDS_FILE
from tests.leaderboard.helpers.golden import make_manifest, make_records, write_rows, write_run
from tests.leaderboard.helpers.grounded import grounding_rows
from tests.leaderboard.helpers.sweeps import add_table, plateau, rows_of

BOMBS = {
    "numbers": lambda: {"a": pa.array(np.zeros(40_000_000))},
    "a long list": lambda: {"a": pa.array([np.zeros(40_000_000)])},
    "a text again and again": lambda: {"a": ["x" * 1_000_000] * 1000},
    "texts in lists": lambda: {"a": [["x" * 1_000_000] * 100] * 10},
    "bytes": lambda: {"a": pa.array([b"x" * 1_000_000] * 1000, pa.binary())},
    "rows of nothing": lambda: {"a": pa.nulls(40_000_000)},
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_becomes_a_large_one_is_refused_before_it_does(tmp_path, kind):
    path = tmp_path / "bomb.parquet"
    table = pa.table(BOMBS[kind]())
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    del table
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecordError, match="no table of a run does"):
        list(batches_of(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_what_a_footer_claims_is_what_pyarrow_says_of_it(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [record.to_row() for record in make_records(300)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    found = pq.ParquetFile(path).metadata
    groups = [found.row_group(i) for i in range(found.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    values, pages = (
        sum(getattr(chunk, name) for chunk in chunks)
        for name in ("num_values", "total_uncompressed_size")
    )
    expected = max(8 * values, pages, 8 * found.num_rows * found.num_columns)
    assert claimed_bytes(path) == expected


def test_rows_come_back_as_they_were_written_and_equal_texts_are_one_object(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [record.to_row() for record in make_records(3000)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = [
        dict(zip(batch.schema.names, row, strict=True))
        for batch in batches_of(path)
        for row in zip(*map(values_of, batch.columns), strict=True)
    ]
    assert found == pq.read_table(path).to_pylist()
    assert schema_of(path) == pq.read_schema(path)
    assert len({id(row["task"]) for row in found}) <= 3  # one for each batch


def test_held_records_equal_the_plain_ones():
    records = make_records(20)
    small = HeldRecords(records)
    assert small == records
    assert records == small
    assert small[0].to_row() == records[0].to_row()
    assert small[0].signals | {"x": 1.0} == records[0].signals | {"x": 1.0}
    assert json.dumps(small[0].to_json()) == json.dumps(records[0].to_json())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "is not JSON"),
        ('{"a":' * 100_000, "is not JSON"),
        ("[" * 60 + "]" * 60, "nested more than 40 deep"),
        ("1" * 6000, "a number of 6000 digits"),
        ("-1e999", "holds -1e999"),
    ],
)
def test_json_beyond_the_limits_is_refused(tmp_path, text, message):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=message):
        read_json(path)


CRAFTED = {
    "grid of three": ({"grid": [2, 3, 4]}, "grid must be height and width"),
    "grid below zero": ({"grid": [-2, -3]}, "grid must be height and width"),
    "grid of a null": ({"grid": [8, None]}, "grid must be height and width"),
    "null among samples": ({"samples": ["a", None], "normal_samples": ["a", "b"]}, "one is null"),
    "null among names": ({"missing": [{"name": None, "reason": "x"}]}, "names and reasons"),
    "null among reasons": ({"missing": [{"name": "probe", "reason": None}]}, "names and reasons"),
    "huge signal": ({"signal.probe": 1e300}, "signal probe must be within"),
    "huge layer": ({"layers.spatial_entropy": [1e300] * 4}, "must be finite"),
    "row below zero": ({"row": -1}, "must not be negative"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_record_is_named_and_the_other_run_is_shown(tmp_path, capsys, name):
    change, message = CRAFTED[name]
    records = make_records(40)
    rows = [record.to_row() for record in records]
    rows[3] |= change
    bad = write_rows(tmp_path / "bad", rows, make_manifest(records).to_json())
    good = write_run(tmp_path / "good", records)
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "out"), "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert f"not in the tables: {bad}: damaged: " in out
    assert message in out
    assert main(["compare", str(good), str(bad)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "other"}, "rows of the task 'other', which the run lacks"),
        ({"dose": -1.0}, "dose must be between 0 and"),
        ({"dose": 1e300}, "dose must be between 0 and"),
        ({"layer": -4}, "layer must be between 0 and"),
        ({"fill": "glitter"}, None),
    ],
)
def test_a_crafted_sweep_is_named_or_shown(tmp_path, capsys, change, message):
    records = make_records(40)
    rows = rows_of(records, plateau)
    rows[3] |= change
    write_run(tmp_path / "bad", records)
    add_table(tmp_path / "bad", INTERVENTIONS_FILE, rows)
    write_run(tmp_path / "good", records)
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "out"), "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert (message is None) == ("not in the tables" not in out)
    assert message is None or message in out


def test_maps_of_samples_that_the_run_lacks_cost_that_run_alone(tmp_path, capsys):
    """What ended in StopIteration ended the loop over the runs, and left them all out."""
    records = make_records(40)
    strange = [replace(record, doc_id=f"{record.doc_id} of another run") for record in records]
    write_run(tmp_path / "bad", records)
    add_table(tmp_path / "bad", GROUNDING_FILE, grounding_rows(strange))
    write_run(tmp_path / "good", records)
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "out"), "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'bad'}: damaged: grounding.parquet has rows, and none is of a" in out
    assert "benchmark" in out


def test_what_ends_an_iteration_does_not_end_that_over_the_runs(tmp_path, monkeypatch):
    def stop(run, **options):
        return next(iter(())) if run.path.name == "bad" else whole(run, **options)

    whole = workers.evaluate_run
    monkeypatch.setattr(workers, "evaluate_run", stop)
    for name in ("bad", "good"):
        write_run(tmp_path / name, make_records(40))
    board = workers.evaluate_paths([tmp_path])
    assert [run.path.name for run in board.runs] == ["good"]
    assert "StopIteration" in board.problems[0].reason


def test_text_that_is_not_utf_8_is_a_damaged_run(tmp_path, capsys):
    records = make_records(40)
    table = pa.Table.from_pylist([record.to_row() for record in records])
    bad = pa.array([b"\xff\xfe"] * 40, pa.binary()).view(pa.string())
    table = table.set_column(table.schema.get_field_index("prompt"), "prompt", bad)
    folder = write_run(tmp_path / "bad", records)
    pq.write_table(table, folder / RECORDS_FILE)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest["files"][RECORDS_FILE] = entry_of(folder / RECORDS_FILE)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    assert main(["show", str(folder)]) == 2
    assert "damaged" in capsys.readouterr().err


def entry_of(path):
    import hashlib

    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_a_run_that_cannot_be_shown_is_listed_and_the_others_are_shown(
    tmp_path, capsys, monkeypatch
):
    """Whatever a check overlooks costs the run that holds it alone."""
    from leaderboard.report import written

    write_run(tmp_path / "bad", make_records(40), model={"name": "boom"})
    write_run(tmp_path / "good", make_records(40))
    shown = written.to_csv

    def fragile(board):
        if any(run.label == "boom" for run in board.runs):
            raise KeyError("glitter")
        return shown(board)

    monkeypatch.setattr(written, "to_csv", fragile)
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "out"), "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert (
        f"not in the tables: {tmp_path / 'bad'}: damaged: its content is not that of a run" in out
    )
    assert "glitter" in (tmp_path / "out" / "leaderboard.md").read_text()
    monkeypatch.setattr(written, "to_csv", lambda board: [][1])
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "no"), "--no-cache"]) == 2
    assert "no run can be shown" in capsys.readouterr().err
