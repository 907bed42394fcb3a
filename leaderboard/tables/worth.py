"""Whether each signal tells more than its controls, and than what costs nothing."""

from __future__ import annotations

from dataclasses import replace

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.screen import Worth, worth_of
from leaderboard.tables.cells import Cell, difference_cell, format_p, text_cell, undefined_cell
from leaderboard.tables.table import Block, Table, task_title
from metrics.card.card import Contrast, SignalResult
from metrics.scores.bootstrap import Estimate
from metrics.signals import BY_NAME, FREE

NOTE = (
    "A signal is worth having where it beats its controls: answer only, question only, kind only "
    "and, where the run has it, the probe on a blank image. AUROCs {within}less theirs, on the "
    "samples that both have, 95 % t interval over images. yes: higher than each; no: lower than "
    "one; else it cannot be told. p: Holm over all signals and benchmarks of the run, so that any "
    "false yes is rarer than 5 %. least: against the control that is nearest. less token "
    "confidence: against what every answer brings for nothing, adjusted likewise. Oracles are not "
    "compared."
)
HEADS = ("beats its controls", "least", "less token confidence")


def worth_tables(board: Board, task: str) -> list[Table]:
    """Each signal less its controls and less token confidence, a block per model."""
    pairs = [(run, result) for run, result in board.of_task(task) if result.card.contrasts]
    if not pairs:
        return []
    blocks = tuple(
        Block(text_cell(run.label).lines[0], tuple(_rows(run, result))) for run, result in pairs
    )
    within = "within kinds " if any(result.is_mixed for _, result in pairs) else ""
    title = task_title("What beats its controls", task)
    notes = (NOTE.format(within=within),)
    return [Table(f"worth-{task}", title, ("signal", *HEADS), blocks, notes)]


def winners(run: RunResult, result: TaskResult) -> tuple[list[SignalResult], int] | None:
    """Signals that beat every control, the highest first, and of how many; None without a test."""
    signals = compared(result)
    found = [(signal, _worth(run, result, signal.name)) for signal in signals]
    tested = [(s, own) for s, own in found if own is not None and own.p_value is not None]
    best = [signal for signal, own in tested if own.verdict == "yes"]
    return (best, len(tested)) if tested else None


def compared(result: TaskResult) -> list[SignalResult]:
    """Signals and fusions that are compared with controls, the highest first."""
    names = {contrast.signal for contrast in result.card.contrasts}
    signals = [s for s in result.card.signals if s.name in names]
    fusions = [f for f in result.card.fusion if f.name in names]
    named = [*signals, *(replace(fusion.result, name=fusion.name) for fusion in fusions)]
    return sorted(named, key=lambda s: -(_figure(s, result).value or 0))


def _figure(signal: SignalResult, result: TaskResult) -> Estimate:
    return signal.within_kind_auroc if result.is_mixed else signal.auroc


def _rows(run: RunResult, result: TaskResult) -> list[tuple[Cell, ...]]:
    return [
        (
            text_cell(signal.label),
            *_verdict_cells(run, result, signal.name),
            _free_cell(run, result, signal.name),
        )
        for signal in compared(result)
    ]


def _worth(run: RunResult, result: TaskResult, name: str) -> Worth | None:
    own = [contrast for contrast in result.card.contrasts if contrast.signal == name]
    return worth_of(result.task, own, run.screen)


def _against(result: TaskResult, name: str, baseline: str) -> Contrast | None:
    found = (c for c in result.card.contrasts if (c.signal, c.baseline) == (name, baseline))
    return next(found, None)


def _verdict_cells(run: RunResult, result: TaskResult, name: str) -> tuple[Cell, Cell]:
    worth = _worth(run, result, name)
    if worth is None:
        return undefined_cell("no control has a figure"), Cell(("",))
    least = worth.least
    label = BY_NAME[least.baseline].label if least.baseline in BY_NAME else least.baseline
    cell = difference_cell(least.decisive.estimate, *text_cell(label.replace("_", " ")).lines)
    if worth.p_value is None:
        return undefined_cell(least.no_verdict or "no test"), cell
    return Cell((worth.verdict, format_p(worth.p_value)), worth.p_value), cell


def _free_cell(run: RunResult, result: TaskResult, name: str) -> Cell:
    contrast = _against(result, name, FREE)
    if contrast is None:
        return Cell(("",))
    p_value = run.screen.contrasts.get((result.task, name, FREE))
    below = () if p_value is None else (format_p(p_value),)
    return difference_cell(contrast.decisive.estimate, *below)
