"""Tables of grounding: where the maps lie, whether they tell right from wrong, and occlusion."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.results.aggregate import Board, RunResult
from leaderboard.results.grounding import (
    BASELINES,
    ORACLES,
    SCORES,
    Grounding,
    MapResult,
    Separation,
)
from leaderboard.results.occlusion import CHOICES, Blanked
from leaderboard.tables.cells import (
    WARNING_MARK,
    Cell,
    estimate_cell,
    format_estimate,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.table import Block, Table, task_title
from metrics.comparison.differences import Difference

LABELS = {
    "attention.answer": "answer side, attention",
    "attention.answer.filtered": "answer side, attention, filtered",
    "attention.prompt": "prompt side, attention",
    "attention.prompt.filtered": "prompt side, attention, filtered",
    "activation.answer": "answer side, activation",
    "activation.answer.filtered": "answer side, activation, filtered",
    "activation.prompt": "prompt side, activation",
    "activation.prompt.filtered": "prompt side, activation, filtered",
    "uniform": "chance (a uniform map)",
    "center": "center prior",
}
SCORE_LABELS = {
    "pointing": "peak inside",
    "mass": "mass inside",
    "peak_iou": "peak-weighted IoU",
    "top_iou": "top-10 % IoU",
}
ALIGNMENT = (
    "Means over samples with a region, 95 % intervals over images (Student's t). "
    "Chance: what a map that looks everywhere alike scores on the same regions. Δ mass: less the "
    "answer side's attention, on the same samples; in brackets what could have been seen. "
    "Filtered: without the share that boundary markers explain."
)
DEPLOYABLE = (
    "Sharpness (−H_s): spatial entropy of the map, sign flipped; needs no region. AUROC of "
    "“correct”, 0.5 is chance. Δ: less the answer side's attention on the same samples"
)
ORACLE = (
    "Oracle: needs the annotated region. Does looking right mean being right? AUROC of “correct”, "
    "0.5 is chance. Δ: less the answer side's attention on the same samples"
)
OCCLUSION = (
    "What is used, beside what is attended to: the annotated region at the image's mean colour, or "
    "as many pixels elsewhere. log p: change of the clean answer's mean log-probability."
)
_MIN_PER_CLASS = 30
_Pairs = Sequence[tuple[RunResult, Grounding]]


def tables(board: Board, task: str) -> list[Table]:
    """Alignment, AUROC without and with the region, and occlusion.

    Parameters
    ----------
    board : Board
        All results.
    task : str
        Name of the benchmark.

    Returns
    -------
    list of Table
        Empty if no run has maps on it.
    """
    pairs = [(run, r.grounding) for run, r in board.of_task(task) if r.grounding is not None]
    if not pairs:
        return []
    found = [
        _alignment(pairs, task),
        _deployable(pairs, task),
        _oracle(pairs, task),
    ]
    return [*found, _occlusion(pairs, task)] if any(g.occlusion for _, g in pairs) else found


def _alignment(pairs: _Pairs, task: str) -> Table:
    columns = ("map", "n", *SCORE_LABELS.values(), "Δ mass")
    blocks = []
    for run, grounding in pairs:
        rows = tuple(
            (
                text_cell(LABELS[found.name]),
                _n_cell(found),
                *(estimate_cell(found.scores[score]) for score in SCORES),
                _gain_cell(found.gain),
            )
            for found in grounding.maps
        )
        title = (
            f"{run.label}: {grounding.n_regions} of {grounding.n} samples with a region, "
            f"{grounding.n_groups} images"
        )
        blocks.append(Block(text_cell(title, limit=200).lines[0], rows))
    notes = (ALIGNMENT,)
    title = task_title("Where maps lie", task)
    return Table(f"grounding-{task}", title, columns, tuple(blocks), notes)


def _deployable(pairs: _Pairs, task: str) -> Table:
    columns = ("map", "n / errors", "AUROC of sharpness (−H_s)", "Δ")
    return Table(
        f"grounding-auroc-{task}",
        task_title("Does the spread of a map tell right from wrong", task),
        columns,
        tuple(
            _block(run, [
                (text_cell(LABELS[m.name]), *_separation_cells(m.entropy))
                for m in grounding.maps if m.entropy is not None
            ])
            for run, grounding in pairs
        ),
        (DEPLOYABLE + _in_kind(pairs),),
    )  # fmt: skip


def _oracle(pairs: _Pairs, task: str) -> Table:
    columns = ["map", "n / errors"]
    for score in ORACLES:
        columns += [f"AUROC of {SCORE_LABELS[score]}", "Δ"]
    blocks = []
    for run, grounding in pairs:
        rows = []
        for found in grounding.maps:
            if found.oracles:
                cells = [_separation_cells(found.oracles[score]) for score in ORACLES]
                rows.append((text_cell(LABELS[found.name]), *cells[0], *cells[1][1:]))
        blocks.append(_block(run, rows))
    return Table(
        f"grounding-oracle-{task}",
        task_title("Does looking right mean being right", task),
        tuple(columns),
        tuple(blocks),
        (ORACLE + _in_kind(pairs),),
    )


def _occlusion(pairs: _Pairs, task: str) -> Table:
    columns = ("blanked", "n", "share of image", "answers as before", "accuracy, Δ", "log p, Δ")
    blocks = []
    for run, grounding in pairs:
        found = grounding.occlusion
        if found is None:
            continue
        rows = [_blanked_row(choice, found.places[choice]) for choice in CHOICES]
        nothing = Cell(("",))
        rows.append(
            (
                text_cell("region less elsewhere"), nothing, nothing,
                _gain_cell(found.same), nothing, _gain_cell(found.logprob),
            )
        )  # fmt: skip
        reasons = tuple(f"{count} × {reason}" for reason, count in found.refused.items())
        if reasons:
            rows.append((Cell(("not blanked",), notes=reasons), *(nothing for _ in columns[1:])))
        blocks.append(_block(run, rows))
    title = task_title("What the answer rests on", task)
    return Table(f"occlusion-{task}", title, columns, tuple(blocks), (OCCLUSION,))


def _blanked_row(choice: str, found: Blanked) -> tuple[Cell, ...]:
    return (
        text_cell({"region": "the region", "elsewhere": "as much elsewhere"}[choice]),
        Cell((str(found.n),), float(found.n)),
        Cell((f"{100 * found.share:.1f} %",), found.share),
        estimate_cell(found.same),
        estimate_cell(found.accuracy),
        estimate_cell(found.logprob),
    )


def _block(run: RunResult, rows: Sequence[tuple[Cell, ...]]) -> Block:
    return Block(text_cell(run.label).lines[0], tuple(rows))


def _in_kind(pairs: _Pairs) -> str:
    mixed = any(
        m.entropy is not None and m.entropy.within_kind is not None
        for _, g in pairs
        for m in g.maps
    )
    return ", within question kinds." if mixed else "."


def _n_cell(found: MapResult) -> Cell:
    """Samples with map and region; what is missing and why, as footnotes."""
    notes = tuple(f"{count} × {reason}" for reason, count in found.missing.items())
    return Cell((str(found.n),), float(found.n), notes if found.name not in BASELINES else ())


def _gain_cell(gain: Difference | None) -> Cell:
    if gain is None:
        return Cell(("",))
    cell = estimate_cell(gain.estimate)
    if gain.smallest_detectable is None:
        return cell
    return Cell((f"{cell.lines[0]} ({gain.smallest_detectable:.3f})",), cell.sort, cell.notes)


def _separation_cells(found: Separation | None) -> tuple[Cell, Cell, Cell]:
    if found is None:
        missing = undefined_cell("not captured")
        return missing, missing, missing
    counts = Cell((f"{found.n} / {found.n_errors}",), float(found.n))
    shown = found.auroc if found.within_kind is None else found.within_kind
    few = min(found.n_errors, found.n - found.n_errors) < _MIN_PER_CLASS
    cell = estimate_cell(shown)
    if shown.value is not None:
        lines = [format_estimate(shown) + (f" {WARNING_MARK}" if few else "")]
        if found.within_kind is not None:
            lines[0] = f"in kind {lines[0]}"
            lines.append(f"plain {format_estimate(found.auroc)}")
        note = (f"fewer than {_MIN_PER_CLASS} right or wrong answers: no verdict",) if few else ()
        cell = Cell(tuple(lines), shown.value, cell.notes + note, "warning" if few else "value")
    return counts, cell, _gain_cell(found.gain)
