"""The controls of every signal that is fitted on labels: what it scores with nothing to find."""

from __future__ import annotations

from leaderboard.results.aggregate import Board, TaskResult
from leaderboard.tables.cells import (
    Cell,
    difference_cell,
    estimate_cell,
    signal_cell,
    text_cell,
    undefined_cell,
)
from leaderboard.tables.table import NOT_RECORDED, Block, Table, task_title
from metrics.card.card import SignalResult
from metrics.card.fitted_interval import SHUFFLED
from metrics.record.channels import BlankState, PromptState
from metrics.signals import BY_NAME, FITTED

HEADS = ("AUROC", "shuffled labels", "less answer only", "blank image")
NO_BLANK = "no pass with the image blanked keeps what it is fitted on"
NOTE = (
    "Every signal that is fitted on labels, and what the same procedure makes of nothing. Shuffled "
    "labels: mean AUROC where labels are permuted among images and within them, 95 % t interval of "
    "that mean, and the range; an interval off 0.5 is a leak. Less answer only: its AUROC less "
    "that of the given answer alone, on the same samples. Blank image: AUROC where its image is "
    "blanked, of probes on the prompt's state that of the L2 probe; answer-side states, maps and "
    "heads have no blank pass. Probes: shuffled labels of these are in the table above too."
)


def fitted_control_tables(board: Board, task: str) -> list[Table]:
    """A block per model with its fitted signals; none where no run has any."""
    blocks = []
    for run, result in board.of_task(task):
        fitted = [s for s in result.card.signals if _is_fitted(s)]
        fitted.sort(key=lambda s: -(s.auroc.value or 0.0))
        rows = tuple(_row(signal, result) for signal in fitted)
        blocks += [Block(text_cell(run.label).lines[0], rows)] if rows else []
    if not blocks:
        return []
    title = task_title("Controls of what is fitted", task)
    key = f"fitted-controls-{task}"
    return [Table(key, title, ("signal", *HEADS), tuple(blocks), (NOTE,))]


def _is_fitted(signal: SignalResult) -> bool:
    own = signal.access == "deployable" and signal.name in FITTED
    return own and signal.is_scored and signal.auroc.value is not None


def _row(signal: SignalResult, result: TaskResult) -> tuple[Cell, ...]:
    return (
        text_cell(signal.label),
        signal_cell(signal, mixed=result.is_mixed),
        _shuffled(signal),
        _less_answer_only(signal, result),
        _blank(signal, result),
    )


def _shuffled(signal: SignalResult) -> Cell:
    figure = signal.figure(SHUFFLED)
    if figure is None or signal.fit is None or figure.value is None:
        return undefined_cell(NOT_RECORDED if figure is None else str(figure.reason))
    drawn = signal.fit.shuffled
    cell = estimate_cell(figure)
    below = f"{min(drawn):.3f} … {max(drawn):.3f}, {len(drawn)} shuffles"
    return Cell((*cell.lines, below), cell.sort)


def _less_answer_only(signal: SignalResult, result: TaskResult) -> Cell:
    for contrast in result.card.contrasts:
        if (contrast.signal, contrast.baseline) == (signal.name, "answer_only"):
            return difference_cell(contrast.decisive.estimate)
    if signal.copy_of is not None:
        return undefined_cell("ranks all answers as another signal does")
    return undefined_cell("the answer alone has no figure")


def _blank(signal: SignalResult, result: TaskResult) -> Cell:
    """AUROC of its own control on the blank image, or of the probe there."""
    controls = {s.name: s for s in result.card.signals if s.access == "control"}
    own = [c for c in controls.values() if _control_of(c.name) == signal.name]
    needs = BY_NAME[signal.name].needs
    if not own and needs and set(needs) <= {PromptState, BlankState} and "probe_blank" in controls:
        own = [controls["probe_blank"]]
    if not own:
        return undefined_cell(NO_BLANK)
    return signal_cell(own[0], mixed=result.is_mixed)


def _control_of(name: str) -> str:
    return BY_NAME[name].control_of if name in BY_NAME else ""
