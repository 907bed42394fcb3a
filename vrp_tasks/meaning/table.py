"""Writes what models say of pairs of answers, a part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from metrics.record.tables import SIMILARITIES_FILE, TABLES
from vrp_tasks.meaning.answers import Answers
from vrp_tasks.whole_files import whole_file

_PART = 10_000  # rows that are written at once
_TYPES = {"text": pa.string(), "number": pa.float64()}
SCHEMA = pa.schema(
    [
        pa.field(name, _TYPES[own.kind], nullable=False)
        for name, own in TABLES[SIMILARITIES_FILE].items()
    ]
)


def write(file: Path, answers: Sequence[Answers], models: Sequence[Any]) -> None:
    """Compare the texts of every question by every model; the file is there when all are.

    Parameters
    ----------
    file : Path
        Parquet.
    answers : sequence of Answers
    models : sequence
        Each has ``rows(answers)``: (kind, first, second, value).
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        whole_file(file) as partial,
        pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer,
    ):
        rows: list[dict[str, Any]] = []
        for own in tqdm(answers, desc="comparing answers", disable=None):
            place = {"task": own.task, "split": own.split, "doc_id": own.doc_id}
            for model in models:
                rows += (
                    {**place, "kind": kind, "first": first, "second": second, "value": value}
                    for kind, first, second, value in model.rows(own)
                )
            if len(rows) >= _PART:
                writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
