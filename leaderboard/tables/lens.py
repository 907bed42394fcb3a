"""Logit lens: where in the layers an answer is decided, from the mean margin over samples."""

from __future__ import annotations

import numpy as np

from leaderboard.results.aggregate import Board, TaskResult
from leaderboard.results.profiles import LayerProfile
from leaderboard.tables.cells import UNDEFINED, Cell, number_cell, text_cell, undefined_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.states.logit_lens import margin_summary, mlp_share

MARGINS = {
    "answer_margin": "margin of the given answer (deployable)",
    "truth_margin": "margin of the true answer (oracle: needs the label)",
}
ABSENT = "the run recorded no such margin"
NOTE = (
    "Logit of one answer less the largest other, read from each layer, mean over samples; layer 0 "
    "embeds. Silent until: the last layer up to which it has moved less than a tenth of its range; "
    "suppression: layers at which it falls by more. MLP share: of the growth of the given answer's "
    "margin, by direct logit attribution; the rest is attention."
)


def lens_tables(board: Board, task: str) -> list[Table]:
    """Margins by layer in figures, one block per margin; oracle and deployable never mix."""
    columns = (
        "model",
        "peak",
        "at layer",
        "last layer",
        "silent until",
        "suppression",
        "MLP share",
    )
    blocks = []
    for name, title in MARGINS.items():
        rows = [
            (text_cell(run.label), *_row(result, name))
            for run, result in board.of_task(task)
            if mean_curve(result, name) is not None
        ]
        blocks += [Block(title, tuple(rows))] if rows else []
    table = Table(f"lens-{task}", task_title("Logit lens", task), columns, tuple(blocks), (NOTE,))
    return [table] if blocks else []


def mean_curve(result: TaskResult, name: str) -> np.ndarray | None:
    """Mean of a per-layer vector over all samples that have it, or None."""
    profile = next((profile for profile in result.profiles if profile.name == name), None)
    return None if profile is None else _pooled(profile)


def _pooled(profile: LayerProfile) -> np.ndarray | None:
    curves = [curve for curve in (profile.right, profile.wrong) if curve is not None]
    if not curves or len({len(curve.values) for curve in curves}) != 1:
        return None
    weights = [curve.n for curve in curves]
    return np.average([curve.values for curve in curves], axis=0, weights=weights)


def _row(result: TaskResult, name: str) -> tuple[Cell, ...]:
    curve = mean_curve(result, name)
    assert curve is not None
    try:
        found = margin_summary(curve)
    except ValueError as undefined:  # of values that no model has, too
        return (undefined_cell(str(undefined)), *[Cell(("",))] * 4, _mlp_cell(result, name))
    fallen = ", ".join(map(str, found.suppression_layers)) or "none"
    return (
        number_cell(found.peak_margin, "{:+.2f}"),
        number_cell(found.peak_layer, "{:.0f}"),
        number_cell(found.final_margin, "{:+.2f}"),
        Cell((UNDEFINED if found.silent_until is None else str(found.silent_until),)),
        Cell((fallen,)),
        _mlp_cell(result, name),
    )


def _mlp_cell(result: TaskResult, name: str) -> Cell:
    """The attribution is of the given answer's margin, so only there it has a place."""
    if name != "answer_margin":
        return Cell(("",))
    mlp = mean_curve(result, "margin_from_mlp")
    attention = mean_curve(result, "margin_from_attention")
    if mlp is None or attention is None:
        return undefined_cell(ABSENT)
    try:
        share = mlp_share(mlp, attention)
    except ValueError as undefined:  # of values that no model has, too
        return undefined_cell(str(undefined))
    return Cell((f"{share:.1%}",), share)
