"""The bars that a signal has to beat: controls, shuffled labels, leakage, the paper's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean, stdev
from typing import Any

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import (
    UNDEFINED,
    Cell,
    estimate_cell,
    figure,
    signal_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.signals import declared_order
from leaderboard.tables.table import NOT_RECORDED, Block, Table, task_title

NO_PROBE = "the run fitted no probe"
ONE_SPLIT = "of one split, by an older version: its spread is not known"
NOTE = (
    "A control knows nothing of the answer's truth; a signal is worth having where it beats them. "
    "Shuffled labels: what the probe scores when there is nothing to find, mean ± standard "
    "deviation, and the share of them that reaches the reported figure (permutation p). Leakage: "
    "the reported probe under splits by row, where images are shared by training and test, and by "
    "image, which is what is reported; ± is the standard deviation over splits, and a difference "
    "within it is none. Protocol “paper”: 80/20 splits of rows, best layer chosen on what is "
    "reported; for comparison only."
)


def controls_tables(board: Board, task: str) -> list[Table]:
    """Controls × models on one benchmark, and beside them the probe that they are bars for."""
    pairs = board.of_task(task)
    if not any(s.access == "control" for _, r in pairs for s in r.card.signals):
        return []
    columns = ("control", *(text_cell(run.label).lines[0] for run, _ in pairs))
    blocks = [
        Block("controls", _control_rows([result for _, result in pairs])),
        Block("hidden-state probe", _probe_rows(pairs)),
    ]
    title = task_title("Controls and leakage", task)
    return [Table(f"controls-{task}", title, columns, tuple(blocks), (NOTE,))]


def _control_rows(results: list[TaskResult]) -> tuple[tuple[Cell, ...], ...]:
    mixed = any(result.is_mixed for result in results)
    labels = {s.name: s.label for r in results for s in r.card.signals if s.access == "control"}
    by_name = [{signal.name: signal for signal in r.card.signals} for r in results]
    return tuple(
        (
            text_cell(labels[name]),
            *(
                signal_cell(signals[name], mixed=mixed)
                if name in signals
                else undefined_cell(NOT_RECORDED)
                for signals in by_name
            ),
        )
        for name in sorted(labels, key=declared_order)
    )


def _probe_rows(pairs: list[tuple[RunResult, TaskResult]]) -> tuple[tuple[Cell, ...], ...]:
    rows: dict[str, Callable[[RunResult, TaskResult], Cell]] = {
        "probe, as reported": _reported,
        "within equal answers": _within_answer,
        "shuffled labels": lambda run, result: _shuffled(_found(run, result), _p(run, result)),
        "leakage: by row → by image": lambda run, result: _leakage(_found(run, result)),
        "protocol “paper” (for comparison only)": lambda run, result: _paper(_found(run, result)),
    }
    return tuple(
        (text_cell(label), *(cell(run, result) for run, result in pairs))
        for label, cell in rows.items()
    )


def _found(run: RunResult, result: TaskResult) -> Mapping[str, Any]:
    return run.manifest.probe.get(result.task, {})


def _reported(run: RunResult, result: TaskResult) -> Cell:
    for signal in result.card.signals:
        if signal.name == "probe":
            return signal_cell(signal, mixed=result.is_mixed)
    return undefined_cell(NOT_RECORDED)


def _within_answer(run: RunResult, result: TaskResult) -> Cell:
    for signal in result.card.signals:
        if signal.name == "probe" and signal.invalid is None:
            return estimate_cell(signal.within_answer_auroc)
    return undefined_cell(NO_PROBE)


def _why(found: Mapping[str, Any], name: str) -> str:
    """Why a control of the probe is missing, as the run recorded it."""
    return str(found.get(f"{name}_undefined") or NO_PROBE)


def _p(run: RunResult, result: TaskResult) -> float | None:
    """Permutation p of the reported probe."""
    found: float | None = run.manifest.fits.get(f"{result.task}:probe", {}).get("p")
    return found


def _shuffled(found: Mapping[str, Any], p: float | None) -> Cell:
    values = [v for v in found.get("shuffled_label_aurocs") or () if v is not None]
    if not values:
        return undefined_cell(_why(found, "shuffled_label_aurocs"))
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    lines = [f"{mean(values):.3f}{spread} ({min(values):.3f} … {max(values):.3f})"]
    lines.append(f"{len(values)} shuffles" + ("" if p is None else f", p {p:.3g}"))
    return Cell(tuple(lines), mean(values))


def _leakage(found: Mapping[str, Any]) -> Cell:
    leakage = found.get("leakage") or {}
    row, grouped = leakage.get("row_split"), leakage.get("grouped_split")
    if row is None or grouped is None:
        return undefined_cell(_why(found, "leakage"))
    if leakage.get("difference_sd") is None:
        return Cell((f"{row:.3f} → {grouped:.3f}",), row - grouped, (ONE_SPLIT,))
    lines = (
        f"{row:.3f} ± {leakage['row_split_sd']:.3f} → "
        f"{grouped:.3f} ± {leakage['grouped_split_sd']:.3f}",
        f"difference {figure(leakage['difference'], '{:+.3f}')} ± {leakage['difference_sd']:.3f}, "
        f"{leakage['n_repeats']} splits",
    )
    return Cell(lines, leakage["difference"])


def _paper(found: Mapping[str, Any]) -> Cell:
    paper = found.get("paper") or {}
    if paper.get("auroc") is None:
        return undefined_cell(_why(found, "paper"))
    layer = paper.get("layer")
    shown = f"layer {UNDEFINED if layer is None else layer}"
    if paper.get("auroc_sd") is None:
        return Cell((f"{paper['auroc']:.3f}", shown), paper["auroc"], (ONE_SPLIT,))
    lines = (
        f"{paper['auroc']:.3f} ± {paper['auroc_sd']:.3f}",
        f"{paper['n_splits']} splits, mostly {shown}",
    )
    return Cell(lines, paper["auroc"])
