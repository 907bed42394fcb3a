"""Data of a part's own: computed with the run, kept in the cache, handed to tables and JSON."""

import json
from dataclasses import dataclass

from leaderboard.report.export import to_json
from leaderboard.report.parts import PARTS, SUMMARIES
from leaderboard.results.cache import Cache
from leaderboard.results.summary import Summary
from leaderboard.results.workers import evaluate_paths
from tests.leaderboard.helpers.golden import make_records, write_run


@dataclass(frozen=True)
class Lengths:
    """Characters of the longest answer, and of every answer."""

    longest: int
    each: tuple[int, ...]


def lengths(run, task):
    if task != "shapes":
        return None
    each = tuple(len(record.answer) for record in run.of_task(task))
    CALLS.append(run.path.name)
    return Lengths(max(each), each)


CALLS: list[str] = []
SUMMARY = Summary("lengths", Lengths, lengths)


def test_it_is_computed_once_and_is_the_same_from_the_cache(tmp_path):
    records = make_records(40)
    write_run(tmp_path / "runs" / "a", records)
    expected = tuple(len(record.answer) for record in records)
    CALLS.clear()
    boards = [
        evaluate_paths(
            [tmp_path / "runs"],
            cache=Cache(tmp_path / "cache", [SUMMARY]),
            summaries=[SUMMARY],
        )
        for _ in range(2)
    ]
    assert CALLS == ["a"]
    for board in boards:
        found = board.runs[0].tasks[0].further["lengths"]
        assert found == Lengths(max(expected), expected)
    stored = json.loads(to_json(boards[1]))["runs"][0]["tasks"]["shapes"]
    assert stored["lengths"] == {"longest": max(expected), "each": list(expected)}


def test_a_cache_made_without_it_is_not_taken(tmp_path):
    write_run(tmp_path / "runs" / "a", make_records(40))
    without = evaluate_paths([tmp_path / "runs"], cache=Cache(tmp_path / "cache"))
    assert without.runs[0].tasks[0].further == {}
    cache = Cache(tmp_path / "cache", [SUMMARY])
    board = evaluate_paths([tmp_path / "runs"], cache=cache, summaries=[SUMMARY])
    assert "lengths" in board.runs[0].tasks[0].further


def test_keys_of_the_reports_parts_are_their_own():
    keys = [summary.key for summary in SUMMARIES]
    assert len(set(keys)) == len(keys)
    taken = {"kinds", "card", "adjusted", "robustness", "grounding"}
    assert not taken & set(keys)
    assert len({part.title for part in PARTS}) == len(PARTS)
