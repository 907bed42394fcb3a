"""The arena for machines: rows of the CSV and a part of the JSON, all digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from leaderboard.results.aggregate import Board
from leaderboard.results.arena import Entry, Pooled, entries_of, pooled_of
from metrics.core.estimate import Estimate


def arena_rows(board: Board) -> Iterator[dict[str, Any]]:
    """Each compared detector: its class of cost, standing, what could be seen; then over all."""
    for task in board.tasks:
        for entry in entries_of(board, task):
            yield from _entry_rows(entry)
    for pooled in pooled_of(board):
        yield from _pooled_rows(pooled)


def arena_as_json(board: Board) -> dict[str, Any]:
    """Entries of each benchmark, and detectors over all of them."""
    return {
        "benchmarks": {
            task: [_entry_as_json(entry) for entry in entries_of(board, task)]
            for task in board.tasks
        },
        "pooled": [asdict(pooled) for pooled in pooled_of(board)],
    }


def _entry_rows(entry: Entry) -> Iterator[dict[str, Any]]:
    head = {
        "run": entry.run.label,
        "model": str(entry.run.manifest.model["name"]),
        "task": entry.task.task,
        "signal": entry.signal.name,
    }
    contrast = entry.contrast
    if contrast is None:
        return
    counts = {"n": contrast.n, "n_groups": contrast.n_groups, "n_errors": contrast.n_errors}
    yield head | {"statistic": "cost_class", "value": str(entry.cost_class)}
    adjusted = {"p_adjusted": _number(entry.p_value)}
    yield head | counts | adjusted | {"statistic": "against_free", "reason": _standing(entry)}
    if entry.detectable is not None:
        name = "detectable_against_free"
        yield head | counts | {"statistic": name, "value": _number(entry.detectable)}


def _standing(entry: Entry) -> str:
    return entry.standing if entry.reason is None else f"{entry.standing}: {entry.reason}"


def _pooled_rows(pooled: Pooled) -> Iterator[dict[str, Any]]:
    head = {"signal": pooled.name, "n": str(pooled.n)}
    counts = {"better_than_free": pooled.n_better, "worse_than_free": pooled.n_worse}
    for name, count in counts.items():
        yield head | {"statistic": name, "value": str(count)}
    mean: Estimate = pooled.effects.mean
    numbers = {name: _number(getattr(mean, name)) for name in ("value", "low", "high", "stderr")}
    yield head | numbers | {"statistic": "mean_less_free", "reason": mean.reason or ""}
    yield head | {"statistic": "spread_less_free", "value": _number(pooled.effects.spread)}


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    difference = entry.difference
    return {
        "run": entry.run.label,
        "signal": entry.signal.name,
        "cost_class": entry.cost_class,
        "standing": entry.standing,
        "difference": None if difference is None else asdict(difference),
        "p_adjusted": entry.p_value,
        "detectable": entry.detectable,
        "reason": entry.reason,
    }
