"""What a card says beside its signals: calibration, selective prediction, fusion, consistency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.tables.cells import (
    Cell,
    estimate_cell,
    figure,
    format_p,
    number_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.table import Block, Table, task_title
from leaderboard.tables.text import clean
from metrics.card.card import CalibratedSignal, Fusion, SignalResult
from metrics.card.statistics import STATISTICS, Statistic
from metrics.signals import BY_NAME

CALIBRATION = (
    "Brier: mean squared distance of probability and outcome, lower is better. Skill: its gain "
    "over always stating the accuracy; 0 is none, below 0 is worse. ECE: mean distance between "
    "stated probability and accuracy over 15 bins, without the noise of the bins; “equal mass”: "
    "bins of equal count. Plug-in / floor: ECE as usually printed, and what it would be on average "
    "if the probability were perfectly calibrated. p: of perfect calibration, by a test over "
    "images; a large one proves nothing. platt: the signal is turned into a probability by a "
    "logistic fit on other images, mean of 20 splits; the test is then of the curve's bend, since "
    "level and slope were fitted. Intervals are over images."
)
SELECTIVE = (
    "Answering only where the signal is high. AURC, E-AURC (in excess of an oracle), AUGRC: lower "
    "is better; PRR: 0 is chance, 1 the oracle. Accuracy at 80 and 90 % coverage: thresholds "
    "chosen on other images; the coverage reached stands beside where ties push it elsewhere. "
    "The headline signal of each family is shown, and the first fusion; all are in the CSV."
)
FUSION = "Cross-fitted by image: logistic regression on z-scored signals."
WEIGHTS = (
    "Of the z-scored signals: mean over folds ± standard deviation over folds. Correlated members "
    "share a weight in an arbitrary way."
)
CONSISTENCY = (
    "k: AUROC of self-consistency (S_SC) had only k of the samples been drawn, the mean over all "
    "ways to pick k of them for every question; 95 % t interval over images. Where all agree: how "
    "many of the answers all of whose samples are the same (S_SC = 1) are right."
)
COVERAGE_SLACK = 0.02
# columns of selective prediction
SELECTING = tuple(statistic for statistic in STATISTICS if "selective" in statistic.tables)


def calibration_tables(board: Board, task: str) -> list[Table]:
    """Probabilities and whether they come true; the one to use stands first in each model."""
    columns = (
        "model", "probability", "method", "Brier skill", "Brier", "ECE, debiased",
        "plug-in / floor", "p (calibrated)", "ECE, equal mass", "n",
    )  # fmt: skip
    rows = [
        (text_cell(run.label), *_probability_row(found))
        for run, result in board.of_task(task)
        for found in result.card.probabilities
    ]
    return _one("calibration", "Calibration", task, columns, rows, CALIBRATION)


def selective_tables(board: Board, task: str) -> list[Table]:
    """Selective prediction by the headline signals of each model."""
    columns = ("model", "signal", *(statistic.label for statistic in SELECTING))
    rows = [
        (text_cell(run.label), *_selective_row(signal))
        for run, result in board.of_task(task)
        for signal in _headlines(result)
    ]
    return _one("selective", "Selective prediction", task, columns, rows, SELECTIVE)


def fusion_tables(board: Board, task: str) -> list[Table]:
    """Fusions of signals; then their weights, a block per model."""
    pairs = board.of_task(task)
    mixed = any(result.is_mixed for _, result in pairs)
    columns = ("model", "fusion", "AUROC", *(["AUROC in kind"] if mixed else []), "n")
    rows = [
        (text_cell(run.label), *_fusion_row(fusion, mixed=mixed))
        for run, result in pairs
        for fusion in result.card.fusion
    ]
    tables = _one("fusion", "Fusion of signals", task, columns, rows, FUSION)
    labels = list(
        dict.fromkeys(f.label for _, r in pairs for f in r.card.fusion if f.reason is None)
    )
    if labels:
        blocks = tuple(_weights(run, result.card.fusion, labels) for run, result in pairs)
        title = task_title("Weights of the fusions", task)
        heads = ("signal", *(text_cell(label).lines[0] for label in labels))
        filled = tuple(block for block in blocks if block.rows)
        tables.append(Table(f"weights-{task}", title, heads, filled, (WEIGHTS,)))
    return tables


def consistency_tables(board: Board, task: str) -> list[Table]:
    """What the number of samples buys, and how often full agreement is right."""
    pairs = [(run, result) for run, result in board.of_task(task) if result.card.consistency]
    counts = sorted({k for _, r in pairs if r.card.consistency for k, _ in r.card.consistency.at_k})
    columns = ("model", *(f"k = {k}" for k in counts), "right where all agree", "n where all agree")
    rows = [_consistency_row(run, result, counts) for run, result in pairs]
    return _one("consistency", "Self-consistency by samples", task, columns, rows, CONSISTENCY)


def _one(
    key: str,
    title: str,
    task: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[Cell, ...]],
    note: str,
) -> list[Table]:
    blocks = (Block("", tuple(rows)),)
    table = Table(f"{key}-{task}", task_title(title, task), columns, blocks, (note,))
    return [table] if blocks[0].rows else []


def _p_cell(found: CalibratedSignal) -> Cell:
    if found.p_value is None:
        return undefined_cell(found.p_reason or "")
    return Cell((format_p(found.p_value).removeprefix("p "),), found.p_value)


def _probability_row(found: CalibratedSignal) -> tuple[Cell, ...]:
    head = (text_cell(found.label), text_cell(found.method))
    if found.reason is not None:
        return (*head, undefined_cell(found.reason), *[Cell(("",))] * 6)
    return (
        *head,
        estimate_cell(found.brier_skill),
        estimate_cell(found.brier),
        estimate_cell(found.ece),
        Cell((f"{found.ece_plug_in:.3f} / {found.ece_floor:.3f}",), found.ece_plug_in),
        _p_cell(found),
        estimate_cell(found.ece_equal_mass),
        number_cell(found.n, "{:.0f}"),
    )


def _headlines(result: TaskResult) -> list[SignalResult]:
    """The headline signal of each family, then the first fusion that exists."""
    named = [
        signal
        for signal in result.card.signals
        if signal.name in BY_NAME and BY_NAME[signal.name].headline
    ]
    fused = [fusion.result for fusion in result.card.fusion if fusion.reason is None]
    return [s for s in (*named, *fused[:1]) if s.selective is not None or s.invalid is not None]


def _selective_row(signal: SignalResult) -> tuple[Cell, ...]:
    name, found = text_cell(signal.label), signal.selective
    if signal.invalid is not None or found is None:
        invalid = Cell(("INVALID",), notes=(clean(signal.invalid),), state="invalid")
        return (name, invalid, *[Cell(("",))] * (len(SELECTING) - 1))
    reached = {0.8: found.reached_80, 0.9: found.reached_90}
    return (name, *(_selecting_cell(signal, s, reached) for s in SELECTING))


def _selecting_cell(
    signal: SignalResult, statistic: Statistic, reached_at: Mapping[float, float | None]
) -> Cell:
    figure = signal.figure(statistic.key)
    if figure is None:
        return undefined_cell("not computed")
    cell = estimate_cell(figure)
    aim = statistic.coverage
    reached = None if aim is None else reached_at[aim]
    if aim is None or reached is None or abs(reached - aim) <= COVERAGE_SLACK:
        return cell
    return Cell((*cell.lines, f"at {reached:.1%}"), cell.sort, cell.notes, cell.state)


def _fusion_row(fusion: Fusion, *, mixed: bool) -> tuple[Cell, ...]:
    label = text_cell(fusion.label)
    if fusion.reason is not None:
        return (label, undefined_cell(fusion.reason), *[Cell(("",))] * (2 if mixed else 1))
    notes = tuple(clean(f"left out: {name} ({reason})") for name, reason in fusion.left_out)
    counts = Cell((f"{fusion.result.n} / {fusion.result.n + fusion.n_dropped}",), notes=notes)
    figures = [fusion.result.auroc, *([fusion.result.within_kind_auroc] if mixed else [])]
    return (label, *map(estimate_cell, figures), counts)


def _weights(run: RunResult, fusions: Iterable[Fusion], labels: Iterable[str]) -> Block:
    """A row per signal that entered any of the fusions, in their order."""
    found: dict[str, dict[str, Cell]] = {}
    for fusion in fusions:
        if fusion.reason is not None:
            continue
        members = zip(fusion.members, fusion.weights, fusion.weight_spread, strict=True)
        for name, weight, spread in members:
            found.setdefault(name, {})[fusion.label] = Cell(
                (f"{figure(weight, '{:+.2f}')} ± {spread:.2f}",)
            )
    rows = tuple(
        (text_cell(_label(name)), *(cells.get(label, Cell(("",))) for label in labels))
        for name, cells in found.items()
    )
    return Block(text_cell(run.label).lines[0], rows)


def _label(name: str) -> str:
    return BY_NAME[name].label if name in BY_NAME else name


def _consistency_row(run: RunResult, result: TaskResult, counts: list[int]) -> tuple[Cell, ...]:
    card = result.card.consistency
    assert card is not None
    at = dict(card.at_k)
    cells = [
        estimate_cell(at[k]) if k in at else undefined_cell("the run drew fewer samples")
        for k in counts
    ]
    full = estimate_cell(card.precision_at_full)
    return (text_cell(run.label), *cells, full, number_cell(card.n_full, "{:.0f}"))
