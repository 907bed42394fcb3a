"""The arena: signals × models on a benchmark, and over all benchmarks, against the free one."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.results.aggregate import Board
from leaderboard.results.arena import Entry, Pooled, entries_of, pooled_of
from leaderboard.results.cost_front import passes_of
from leaderboard.results.published import DETECTORS
from leaderboard.tables.cells import (
    Cell,
    difference_cell,
    format_p,
    number_cell,
    signal_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.copies import name_cell
from leaderboard.tables.ranks import rank_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.signals import BY_NAME, FREE

ARENA = "arena"
_FREE = BY_NAME[FREE].label
# channel -> the passes of its own that a run times
TIMED = {
    "state_blank": "blank",
    "truth_asked": "ptrue",
    "truth_asked_with_samples": "ptrue",
    "confidence_in_turn": "verbalized",
    "confidence_afterwards": "verbalized",
    "confidence_of_proposal": "verbalized",
    "core_hidden": "vauq",
    "neuron_contributions": "neurons",
    "perturbed_state": "ccps",
    "perturbed": "perturb",
    "blank_scores": "blank",
}
NOTE = (
    f"Every signal against {_FREE}, which every answer brings for nothing: its {{figure}} less "
    "that of the free one on the answers that have both, 95 % t interval over images. p: Holm over "
    "all signals and models of this table, so that any false “better” or “worse” is rarer than "
    "5 %. could see: the smallest true difference that this test would have found with 80 % power; "
    "cannot tell is no sign of equality. rank: overlapping ranks are ties."
)
CLASSES = (
    "class: what it adds once answers and samples are there. 0 nothing; 1 a few more numbers kept "
    "from passes that are made anyway; 2 a short continuation on the cached prompt; 3 extra "
    "prefills; 4 another model, on stored text. extra: answers decoded beside the scored one, and "
    "seconds an answer as far as the run measured them apart; labels: it is fitted on labelled "
    "answers first."
)
POOLED = (
    f"Over all models and benchmarks of this report: one benchmark proves little. better, worse, "
    f"cannot tell: against {_FREE}, as in the benchmarks' tables. mean: of the differences, by a "
    "random-effects model (Paule and Mandel; interval of Hartung and Knapp); spread: standard "
    "deviation of the true differences among models and benchmarks. Settings are taken as "
    "independent: models that answered the same questions are not quite."
)
PUBLISHED = (
    "published: AUROC as printed by the authors, pooled over five models (VLCB, arXiv 2605.10893); "
    "not measured here, on other benchmarks and by another protocol."
)


def arena_tables(board: Board, task: str) -> list[Table]:
    """Signals of each model on one benchmark, the highest first; none without a comparison."""
    entries = entries_of(board, task)
    if not any(entry.contrast for entry in entries):
        return []
    mixed = any(entry.task.is_mixed for entry in entries)
    figure = "AUROC in kind" if mixed else "AUROC"
    columns = (
        "signal", "class", figure, "less the free one", "against the free one", "could see",
        "rank", "extra", "n", "errors",
    )  # fmt: skip
    blocks = []
    for run, result in board.of_task(task):
        own = [e for e in entries if e.run is run and e.task is result]
        blocks += [Block(text_cell(run.label).lines[0], tuple(map(_row, own)))] if own else []
    notes = (NOTE.format(figure=figure), CLASSES)
    title = task_title("Arena: every signal against the free one", task)
    return [Table(f"{ARENA}-{task}", title, columns, tuple(blocks), notes)]


def pooled_tables(board: Board, *, published: bool = False) -> list[Table]:
    """Signals over benchmarks and models; none for a single one.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add what the authors print, marked as such.
    """
    found = [pooled for pooled in pooled_of(board) if pooled.n > 1]
    if not found:
        return []
    columns = (
        "signal", "class", "better", "worse", "cannot tell", "of", "mean difference", "spread",
        *(("published",) if published else ()),
    )  # fmt: skip
    rows = tuple(_pooled_row(pooled, published=published) for pooled in found)
    notes = (POOLED, *((PUBLISHED,) if published else ()))
    title = "Arena over benchmarks and models"
    return [Table(f"{ARENA}-pooled", title, columns, (Block("", rows),), notes)]


def _row(entry: Entry) -> tuple[Cell, ...]:
    signal, result = entry.signal, entry.task
    copies = [s.label for s in result.card.signals if s.copy_of == signal.name]
    name = name_cell(signal.label, copies)
    figure = signal_cell(signal, mixed=result.is_mixed, p_value=None)
    counts = (
        number_cell(signal.n, "{:.0f}"),
        number_cell(signal.n_errors, "{:.0f}"),
    )
    if not signal.is_scored:
        empty = Cell(("",), state="undefined")
        return (name, _class_cell(entry.cost_class), figure, *[empty] * 5, *counts)
    return (
        name,
        _class_cell(entry.cost_class),
        figure,
        _difference_cell(entry),
        standing_cell(entry),
        number_cell(entry.detectable) if entry.detectable is not None else Cell(("",)),
        rank_cell(result.ranking, signal),
        _extra_cell(entry),
        *counts,
    )


def standing_cell(entry: Entry) -> Cell:
    """The verdict against the free one, and its adjusted p-value."""
    if entry.standing == "not compared":
        return undefined_cell(entry.reason or "no test")
    if entry.p_value is None:
        return Cell((entry.standing,))
    return Cell((entry.standing, format_p(entry.p_value)), entry.p_value)


def _difference_cell(entry: Entry) -> Cell:
    return Cell(("",)) if entry.difference is None else difference_cell(entry.difference)


def _class_cell(cost_class: int) -> Cell:
    return Cell((str(cost_class),), float(cost_class))


def _extra_cell(entry: Entry) -> Cell:
    passes = passes_of(entry.signal, entry.run, entry.task) - 1
    lines = [f"+{passes} samples"] if passes else []
    seconds = seconds_of(entry)
    lines += [f"{seconds:.2g} s/answer"] if seconds is not None else []
    lines += ["labels"] if needs_labels(entry) else []
    return Cell(tuple(lines) or ("none",), passes + (seconds or 0.0))


def seconds_of(entry: Entry) -> float | None:
    """What the run measured for the passes that this signal needs, in seconds an answer."""
    cost, declared = entry.run.manifest.cost, BY_NAME.get(entry.signal.name)
    measured, n = cost.get("extra_seconds"), cost.get("n_samples")
    if not isinstance(measured, dict) or not n or declared is None:
        return None
    timed = {TIMED.get(channel.name) for channel in declared.needs}
    found = [measured[name] for name in sorted(filter(None, timed)) if name in measured]
    return float(sum(found)) / float(n) if found else None


def needs_labels(entry: Entry) -> bool:
    """Whether labelled answers are needed first."""
    declared = BY_NAME.get(entry.signal.name)
    return entry.signal.fit is not None or (declared is not None and declared.fitted)


def _pooled_row(pooled: Pooled, *, published: bool) -> tuple[Cell, ...]:
    mean = pooled.effects.mean
    counts: Sequence[int] = (pooled.n_better, pooled.n_worse, pooled.n_undecided, pooled.n)
    row = (
        text_cell(pooled.label),
        _class_cell(pooled.cost_class),
        *(number_cell(count, "{:.0f}") for count in counts),
        difference_cell(mean),
        number_cell(pooled.effects.spread, reason=mean.reason or ""),
    )
    return (*row, text_cell(DETECTORS.get(pooled.name, ""))) if published else row
