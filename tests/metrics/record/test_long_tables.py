"""Records as Parquet: the types are the format's, whatever values are there."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record import long_tables
from metrics.record.long_tables import write_records
from metrics.record.records import SampleRecord
from tests.leaderboard.helpers.golden import make_records


def written(records):
    file = io.BytesIO()
    write_records(file, records)
    return pq.read_table(io.BytesIO(file.getvalue()))


def test_columns_without_a_value_have_their_type_and_records_come_back():
    (record, *_) = make_records(4)
    empty = record.with_signals({"empty": None}, {"empty": "why"}).with_layers({"own": None})
    table = written([empty])
    assert table.schema.field("signal.empty").type == pa.float64()
    assert table.schema.field("layers.own").type == pa.list_(pa.float64())
    assert not any(pa.types.is_null(field.type) for field in table.schema)
    assert [SampleRecord.from_row(row) for row in table.to_pylist()] == [empty]


def test_rows_are_written_some_at_a_time_with_the_columns_of_all(monkeypatch):
    monkeypatch.setattr(long_tables, "_AT_ONCE", 3)
    records = make_records(8)
    late = records[-1].with_signals({"late": 0.5}, {})
    table = written([*records[:-1], late])
    assert table["signal.late"].to_pylist() == [None] * 7 + [0.5]
    assert table["doc_id"].to_pylist() == [record.doc_id for record in records]
