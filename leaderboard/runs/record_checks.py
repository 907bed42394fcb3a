"""What the records of a run may hold, beyond what a column's type tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from leaderboard.runs.schema import MOST
from metrics.errors import RecordError
from metrics.record.columns import values_of
from metrics.record.records import RECORDS_FILE, RunManifest, SampleRecord

MOST_CELLS = 4096  # along a side of the grid


def check_records(records: Sequence[SampleRecord], manifest: RunManifest) -> None:
    """Check that records are those of a manifest: all of them, and each.

    Raises
    ------
    RecordError
        If tasks, counts, identities, labels or values do not agree, or cannot be.
    """
    check_counts(records, manifest)
    for record in records:
        check_record(record, manifest)


def check_counts(records: Sequence[SampleRecord], manifest: RunManifest) -> None:
    """Check that the records of each task are there, each once; raises RecordError."""
    if not records:
        raise RecordError(f"{RECORDS_FILE} holds no record.")
    columns = [values_of(records, name) for name in ("task", "split", "doc_id")]
    counts = Counter(columns[0])
    for task, count in counts.items():
        if task not in manifest.tasks:
            raise RecordError(f"records name the task {task!r}, which the manifest lacks.")
        expected = manifest.tasks[task].get("n_samples")
        if expected is not None and expected != count:
            raise RecordError(
                f"task {task!r} has {count} records; the manifest field n_samples says {expected}."
            )
    bare = [task for task, e in manifest.tasks.items() if e.get("n_samples") and task not in counts]
    if bare:
        raise RecordError(f"the manifest names the task {bare[0]!r}; there is no record of it.")
    places = zip(*columns, strict=True)
    if len(set(places)) < len(records):
        identity, times = Counter(record.identity for record in records).most_common(1)[0]
        raise RecordError(f"the sample {identity} stands in the records {times} times.")


def check_record(record: SampleRecord, manifest: RunManifest) -> None:
    """Check the values of one record; raises RecordError naming field and sample."""
    threshold = manifest.tasks.get(record.task, {}).get("threshold")
    for complaint in (*_of_values(record), *_of_label(record, threshold)):
        raise RecordError(f"{complaint} ({record.identity}).")


def _of_values(record: SampleRecord) -> Iterator[str]:
    if record.grid is not None and not _is_grid(record.grid):
        yield f"grid must be height and width in cells, got {str(record.grid)[:40]}"
    if not all(isinstance(text, str) for text in (*record.samples, *record.normal_samples)):
        yield "samples must be texts, one is null"
    if not all(isinstance(text, str) for pair in record.missing.items() for text in pair):
        yield "missing must be names and reasons, one is null"
    for count in (record.n_answer_tokens, record.row):
        if count is not None and count < 0:
            yield f"n_answer_tokens and row must not be negative, got {count}"
    yield from _of_numbers(record)


def _of_numbers(record: SampleRecord) -> Iterator[str]:
    for name, number in record.signals.items():
        if number is not None and abs(number) > MOST:
            yield f"signal {name} must be within {MOST:.0e}, got {number}"
    for name, values in record.layers.items():
        if values is not None and not all(v is not None and abs(v) <= MOST for v in values):
            yield f"layers.{name} must be finite"


def _of_label(record: SampleRecord, threshold: float | None) -> Iterator[str]:
    if record.correct is None:
        return
    if record.score is None:
        yield f"correct is {record.correct} without a score"
    elif threshold is not None and record.correct != (expected := int(record.score >= threshold)):
        yield (
            f"correct is {record.correct} where score {record.score} and threshold {threshold} "
            f"give {expected}"
        )


def _is_grid(grid: Sequence[int | None]) -> bool:
    sides = [side for side in grid if side is not None and 1 <= side <= MOST_CELLS]
    return len(grid) == len(sides) == 2
