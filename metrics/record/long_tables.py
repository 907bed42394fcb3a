"""Tables of a run folder that may be long, written some rows at a time.

Who writes records, a run or its rescoring, writes the same bytes of the same records: the columns'
types are those of the format, never guessed from the values that happen to be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.held import HeldRecords
from metrics.record.joined import Joined
from metrics.record.records import LAYER_PREFIX, SIGNAL_PREFIX, SampleRecord

_AT_ONCE = 4096  # rows
_TEXTS = pa.list_(pa.string())
_TYPES = {
    "score": pa.float64(),
    "correct": pa.int64(),
    "samples": _TEXTS,
    "normal_samples": _TEXTS,
    "missing": pa.list_(pa.struct([("name", pa.string()), ("reason", pa.string())])),
    "grid": pa.list_(pa.int64()),
    "n_answer_tokens": pa.int64(),
    "row": pa.int64(),
}  # every other one is text


def write_records(file: IO[bytes], records: Sequence[SampleRecord]) -> None:
    """Write ``records.parquet``: each row has the columns of all, null where its task has none."""
    write_rows(file, (record.to_row() for record in records), _schema(records))


def write_rows(file: IO[bytes], rows: Iterable[dict[str, Any]], schema: pa.Schema) -> None:
    """Write a table as Parquet."""
    rest = iter(rows)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(rest, _AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def _schema(records: Sequence[SampleRecord]) -> pa.Schema:
    signals: dict[str, None] = {}
    layers: dict[str, None] = {}
    if isinstance(records, HeldRecords | Joined):
        signals, layers = map(dict.fromkeys, (records.signal_names(), records.layer_names()))
    else:
        for record in records:
            signals |= dict.fromkeys(record.signals)
            layers |= dict.fromkeys(record.layers)
    plain = [n for n in SampleRecord.__dataclass_fields__ if n not in ("signals", "layers")]
    return pa.schema(
        [
            *((name, _TYPES.get(name, pa.string())) for name in plain),
            *((SIGNAL_PREFIX + name, pa.float64()) for name in signals),
            *((LAYER_PREFIX + name, pa.list_(pa.float64())) for name in layers),
        ]
    )
