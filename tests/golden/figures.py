"""A run folder and the leaderboard's JSON, reduced to figures that are few enough to be kept."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file

ESTIMATE = ("value", "low", "high", "stderr")
MARK = "±"  # begins the list that an estimate becomes
UNSAID = ("reason", "note")  # words of an estimate; the reason stays where it has none
# of declarations; pictures; time
WORDS = ("label", "family", "access", "looks", "seconds", "words")
SIGNAL, LAYERS = "signal.", "layers."
N_WHOLE = 2  # records kept as they are
LONGEST = 12  # longer lists of numbers are kept by their sums


def of_run(folder: Path, *, n_whole: int = N_WHOLE) -> dict[str, dict[str, Any]]:
    """Task -> figures of its records, arrays and tables, and what was fitted on them."""
    rows = pq.read_table(folder / "records.parquet").to_pylist()
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    tasks = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        prefix = f"{task}:"
        tasks[task] = {
            "n": len(own),
            "n_correct": sum(row["correct"] or 0 for row in own),
            "answers": "|".join(row["answer"] for row in own),
            "signals": {name: _signal(own, name) for name in _columns(own, SIGNAL)},
            "layers": {name: _layers(own, name) for name in _columns(own, LAYERS)},
            "whole": {row["doc_id"]: _whole(row) for row in own[:n_whole]},
            "invalid": sorted(
                key.removeprefix(prefix) for key in manifest["invalid"] if key.startswith(prefix)
            ),
            "fitted": compact(manifest["probe"].get(task, {})),
            "sweep": compact(manifest["sweeps"].get(task, {})),
            "tables": {
                path.stem: _table(path, task)
                for path in sorted(folder.glob("*.parquet"))
                if path.stem not in ("records", "images")
            },
        }
    first = next(iter(tasks.values()))
    first["arrays"] = _arrays(folder)
    return tasks


def of_board(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Run's place -> task -> every figure of its card, sweep and grounding."""
    board = json.loads(path.read_text("utf-8"))
    return {
        Path(run["path"]).name: {task: compact(found) for task, found in run["tasks"].items()}
        for run in board["runs"]
    }


def compact(value: Any) -> Any:
    """The same figures in less room, lists of named things by their names; nothing undefined."""
    if isinstance(value, dict):
        if set(ESTIMATE) <= set(value):
            return _estimate(value)
        found = {name: compact(item) for name, item in value.items() if name not in WORDS}
        return {name: item for name, item in found.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            return compact(_by_name(value))
        numbers = all(isinstance(item, int | float) for item in value)
        if numbers and len(value) > LONGEST:
            return {"n": len(value), "sum": sum(value), "squares": sum(x * x for x in value)}
        return [compact(item) for item in value]
    return value


def _estimate(value: dict[str, Any]) -> Any:
    rest = {n: v for n, v in value.items() if n not in (*ESTIMATE, *UNSAID) and v is not None}
    if value["value"] is None and value["low"] is None:
        return {"undefined": value.get("reason"), **rest}
    numbers = [MARK, *(value[name] for name in ESTIMATE)]
    return {"estimate": numbers, **compact(rest)} if rest else numbers


def _by_name(items: list[dict[str, Any]]) -> dict[str, Any]:
    """By name, method or key where these tell them apart; else by place."""
    names = []
    for item in items:
        key = item.get("key")
        parts = list(key.values()) if isinstance(key, dict) else []
        parts += [item.get("name"), item.get("method")]
        names.append(" ".join(str(part) for part in parts if part is not None))
    if len(set(names)) < len(items) or "" in names:
        names = [str(place) for place in range(len(items))]
    left = ("key", "name")
    return {
        name: {n: v for n, v in item.items() if n not in left}
        for name, item in zip(names, items, strict=True)
    }


def _columns(rows: list[dict[str, Any]], prefix: str) -> list[str]:
    names = [name.removeprefix(prefix) for name in rows[0] if name.startswith(prefix)]
    return sorted(names)


def _signal(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    values = [row[SIGNAL + name] for row in rows]
    reasons = Counter(_reason(row, name) for row in rows if row[SIGNAL + name] is None)
    found = _spread([value for value in values if value is not None])
    return {**found, **({"missing": dict(sorted(reasons.items()))} if reasons else {})}


def _reason(row: dict[str, Any], name: str) -> str:
    return next((m["reason"] for m in row["missing"] if m["name"] == name), "")


def _spread(values: list[float]) -> dict[str, Any]:
    """Number, mean, spread, size and quantiles."""
    if not values:
        return {"n": 0}
    x = np.array(values, dtype=np.float64)
    lower, middle, upper = np.quantile(x, (0.1, 0.5, 0.9)).tolist()
    return {
        "n": len(values), "mean": math.fsum(values) / len(values), "sd": float(x.std()),
        "sum_abs": math.fsum(map(abs, values)), "min": min(values), "q10": lower, "median": middle,
        "q90": upper, "max": max(values),
    }  # fmt: skip


def _layers(rows: list[dict[str, Any]], name: str) -> list[float]:
    """Mean of each layer."""
    values = [row[LAYERS + name] for row in rows if row[LAYERS + name] is not None]
    mean: list[float] = np.mean(np.array(values, dtype=np.float64), axis=0).tolist()
    return mean if values else []


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """A record without empty columns and without where its arrays lie."""
    left = ("shard", "row", "image", "missing", "task", "doc_id")
    whole = {n: v for n, v in row.items() if n not in left and v is not None}
    missing = {entry["name"]: entry["reason"] for entry in row["missing"]}
    return whole | ({"missing": missing} if missing else {})


def _arrays(folder: Path) -> dict[str, Any]:
    """Numbers kept, their sum and size, over all shards of a folder."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted(folder.glob("arrays-*.safetensors")):
        for name, array in load_file(path).items():
            found.setdefault(name, []).append(array.astype(np.float64).ravel())
    joined = {name: np.concatenate(parts) for name, parts in sorted(found.items())}
    return {
        name: {"n": x.size, "sum": math.fsum(x.tolist()), "sum_abs": float(np.abs(x).sum())}
        for name, x in joined.items()
    }


def _table(path: Path, task: str) -> dict[str, Any]:
    """Rows of a task, and how many numbers each column holds and their sum."""
    rows = [row for row in pq.read_table(path).to_pylist() if row["task"] == task]
    if not rows:
        return {}
    found: dict[str, Any] = {"n": len(rows)}
    for name in rows[0]:
        numbers = [row[name] for row in rows if isinstance(row[name], int | float)]
        if numbers:
            found[name] = {"n": len(numbers), "sum": math.fsum(numbers)}
    if "answer" in rows[0]:
        found["answers"] = dict(sorted(Counter(row["answer"] for row in rows).items()))
    return found
