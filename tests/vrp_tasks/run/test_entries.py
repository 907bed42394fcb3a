"""Answered documents are found again by the place of their line, and slices end by the clock."""

import tracemalloc

import pytest
from loguru import logger

from metrics.record.held import HeldRecords
from tests.vrp_tasks.helpers.run_folders import at, create, record
from vrp_tasks.run import scored_tasks
from vrp_tasks.run.parts import Entry, Exchange, Parts
from vrp_tasks.run.slices import FIRST, SECONDS, slices


def test_a_document_is_read_from_its_line_whoever_wrote_it(tmp_path):
    folder = create(tmp_path)
    folder.add([at(0), at(1)], [{}, {}])
    folder.add_unasked(Entry(record(2, None, None), Exchange()))
    other = Parts(folder.path, rank=1)
    other.add([at(3)], [{}])
    assert folder.entry("t", "3") is None  # not looked at yet
    assert [entry.record.doc_id for entry in folder.entries()] == ["0", "1", "2", "3"]
    assert folder.entry("t", "3").record == record(3, None, None)
    assert folder.entry("t", "1").record == record(1, None, None)
    assert folder.entry("t", "9") is None


def test_the_later_opening_counts_and_a_line_cut_short_is_passed_over(tmp_path):
    first = create(tmp_path)
    first.add([at(0), at(1), at(2)], [{}, {}, {}])
    (part,) = first.here.glob("*.jsonl")
    lines = part.read_text().splitlines(keepends=True)
    part.write_text(lines[0] + lines[1][:50] + "\n" + lines[2])
    first.release()
    again = create(tmp_path)
    assert again.path == first.path
    assert [entry.record.doc_id for entry in again.entries()] == ["0", "2"]
    again.add([lambda shard, row: record(0, shard, row, answer="no")], [{}])
    assert {e.record.doc_id: e.record.answer for e in again.entries()} == {"0": "no", "2": "yes"}


@pytest.fixture
def warned():
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


def test_a_line_that_another_rank_is_writing_is_read_once_it_is_whole(tmp_path, warned):
    folder = create(tmp_path)
    path = folder.here / "unasked-1.jsonl"
    first, second = (Entry(record(d, None, None), Exchange()).to_line() for d in (0, 1))
    for written in (first + second[:70], first + second[:-1]):
        path.write_text(written)
        assert [entry.record.doc_id for entry in folder.entries()] == ["0"]
    path.write_text(first + second)
    assert [entry.record.doc_id for entry in folder.entries()] == ["0", "1"]
    assert warned == []


def test_a_line_that_a_stop_cut_short_is_named_once(tmp_path, warned):
    first = create(tmp_path)
    first.add_unasked(Entry(record(0, None, None), Exchange()))
    with (first.here / "unasked-0.jsonl").open("a") as file:
        file.write(Entry(record(1, None, None), Exchange()).to_line()[:70])
    first.release()
    again = create(tmp_path)
    for _ in range(2):
        assert [entry.record.doc_id for entry in again.entries()] == ["0"]
    (line,) = [line for line in warned if "not written whole" in line]
    assert "unasked-0.jsonl" in line


def test_what_is_held_of_a_document_is_small(tmp_path):
    folder = create(tmp_path)
    long = {"spatial_entropy": [0.1] * 400}
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for start in range(0, 2000, 100):
        own = range(start, start + 100)
        folder.add([lambda s, r, d=d: record(d, s, r, layers=long) for d in own], [{}] * 100)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown / 2000 < 600  # bytes; a record takes 20 times as much


def test_held_records_are_small():
    signals = {f"s{i}": float(i) for i in range(40)}
    layers = {f"l{i}": [0.5 + i] * 28 for i in range(7)}
    plain = [
        record(d, None, None, signals=dict(signals), layers={n: list(v) for n, v in layers.items()})
        for d in range(200)
    ]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    small = HeldRecords(plain)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert small == plain
    assert grown / 200 < 2600  # bytes, of which 2,000 are the numbers


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, [16, 64, 20]), (4.0, [16, 15, 15, 15])])
def test_a_slice_is_closed_by_number_and_by_time(seconds, expected):
    clock = [0.0]
    sizes = []
    for chosen in slices(list(range(100)), batch_size=1, most=64, now=lambda: clock[0]):
        sizes.append(len(chosen))
        clock[0] += seconds * len(chosen)
    assert sizes[: len(expected)] == expected
    assert sum(sizes) == 100
    assert max(sizes[1:]) * seconds <= max(SECONDS, 64 * 0.001)


def test_slices_are_whole_batches_and_at_least_one():
    clock = [0.0]
    sizes = []
    for chosen in slices(list(range(40)), batch_size=6, most=64, now=lambda: clock[0]):
        sizes.append(len(chosen))
        clock[0] += 100 * len(chosen)
    assert sizes == [FIRST // 6 * 6, 6, 6, 6, 6, 4]


def test_what_takes_long_is_said_with_the_time_left(monkeypatch):
    clock, lines = [0.0], []
    monkeypatch.setattr(scored_tasks.logger, "info", lines.append)
    progress = scored_tasks.steps_said(
        "t", "fits on labels", "500 samples are there.", now=lambda: clock[0]
    )
    for done in range(5):
        progress(done, 4)
        clock[0] += 4.0
    assert lines == [
        "t: 500 samples are there.",
        "t: fits on labels, 2 of 4, about 8 s left.",
        "t: fits on labels, 4 of 4, about 0 s left.",
    ]
