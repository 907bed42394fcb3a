"""What runs cost, as measured, and what each cost buys."""

from __future__ import annotations

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.cost_front import CostPoint, cost_points
from leaderboard.tables.cells import Cell, estimate_cell, number_cell, text_cell, undefined_cell
from leaderboard.tables.overview import size_cell
from leaderboard.tables.table import Block, Table, task_title

MEASURED = (
    "Measured by the run itself over all its benchmarks: the answer, K sampled answers on its "
    "prefill, and every signal; in some runs a second prefill, of a blank image, for a control. "
    "What interventions took is not in it."
)
SERVED = (
    "Requests, failed ones and those for samples too, and tokens as the server counts them; what "
    "finding out about the server took is not in it. Its memory is not ours to measure: peak "
    "memory is that of the process that asked."
)
FRONT = (
    "The best signal of each cost, the cheapest first. Passes: answers decoded, all on the prefill "
    "of the first. Class: what a signal adds to that, from 0, nothing, to 4, another model. On "
    "the front: nothing that costs no more tells as much, by {figure} on the samples that all "
    "signals have. Below 30 of either class there is no front."
)
NOT_MEASURED = "the run recorded no cost"


def cost_tables(board: Board, task: str) -> list[Table]:
    """Measured cost of each run, and the front of AUROC over cost."""
    pairs = board.of_task(task)
    mixed = any(result.is_mixed for _, result in pairs)
    served = any(run.manifest.cost.get("requests") is not None for run, _ in pairs)
    rows = tuple((*_measured_row(run), *(_served_cells(run) if served else ())) for run, _ in pairs)
    columns = (
        "model", "size", "prefills", "passes", "s / answer", "peak memory", "answers timed",
        *(("requests / answer", "tokens / answer") if served else ()),
    )  # fmt: skip
    notes = (MEASURED, *((SERVED,) if served else ()))
    measured = Table(f"cost-{task}", task_title("Cost", task), columns, (Block("", rows),), notes)
    points = tuple(row for run, result in pairs for row in _front_rows(run, result))
    figure = "AUROC in kind" if mixed else "AUROC"
    heads = ("model", "passes", "class", "labels", "best signal", figure, "on the front")
    note = FRONT.format(figure=figure)
    front = Table(
        f"front-{task}", task_title("AUROC per cost", task), heads, (Block("", points),), (note,)
    )
    return [measured, *([front] if points else [])]


def _measured_row(run: RunResult) -> tuple[Cell, ...]:
    cost, k = run.manifest.cost, run.manifest.settings.get("k") or 0
    seconds, n, memory = (cost.get(x) for x in ("seconds", "n_samples", "peak_memory_bytes"))
    per_answer = seconds / n if seconds and n else None
    return (
        text_cell(run.label),
        size_cell(run),
        _prefills_cell(run, k),
        Cell((f"1 + {k} samples",), float(1 + k)),
        number_cell(per_answer, "{:.3g}", reason=NOT_MEASURED),
        undefined_cell(NOT_MEASURED)
        if not memory
        else Cell((f"{memory / 2**30:.2f} GiB",), float(memory)),
        number_cell(n, "{:.0f}", reason=NOT_MEASURED),
    )


def _prefills_cell(run: RunResult, k: int) -> Cell:
    access = run.manifest.model.get("access")
    if access == "text":
        return Cell((f"{1 + k}",), float(1 + k))
    if run.manifest.cost.get("requests") is not None:
        return undefined_cell("the server's affair: it may keep a prompt between requests")
    return Cell(("2, one of a blank image",), 2.0) if _has_blank(run) else Cell(("1",), 1.0)


def _served_cells(run: RunResult) -> tuple[Cell, ...]:
    """Requests and billed tokens per answer."""
    cost, n = run.manifest.cost, run.manifest.cost.get("n_samples")
    requests = cost.get("requests")
    if requests is None or not n:
        why = "no server was asked" if requests is None else NOT_MEASURED
        return undefined_cell(why), undefined_cell(why)
    told = [cost.get(f"{kind}_tokens") or 0 for kind in ("prompt", "completion")]
    return (
        number_cell(requests / n, "{:.3g}"),
        Cell((f"{told[0] / n:.3g} in", f"{told[1] / n:.3g} out"), sum(told) / n),
    )


def _has_blank(run: RunResult) -> bool:
    return bool(run.manifest.settings.get("blank_image"))


def _front_rows(run: RunResult, result: TaskResult) -> list[tuple[Cell, ...]]:
    """The best signal of each cost: points come sorted, so it is the first of its cost."""
    best: dict[tuple[int, int, bool], CostPoint] = {}
    for point in cost_points(run, result):
        best.setdefault(point.cost, point)
    return [
        (
            text_cell(run.label),
            number_cell(point.passes, "{:.0f}"),
            number_cell(point.cost_class, "{:.0f}"),
            Cell(("needed",) if point.needs_labels else ("none",), float(point.needs_labels)),
            text_cell(point.label),
            estimate_cell(point.figure),
            Cell(("yes",) if point.on_front else ("no",), float(point.on_front)),
        )
        for point in best.values()
    ]
