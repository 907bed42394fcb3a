"""The answer first: what a model's signals come to on a benchmark, in words made of the figures."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.arena import Entry, entries_of
from leaderboard.results.cost_front import passes_of
from leaderboard.tables.arena import needs_labels
from leaderboard.tables.cells import text_cell
from leaderboard.tables.thresholds import RISKS, Promise, thresholds_in
from leaderboard.tables.worth import winners
from metrics.core.estimate import Estimate
from metrics.core.limits import LEAST_PER_CLASS
from metrics.signals import BY_NAME, FREE

_FREE = BY_NAME[FREE].label
MOST_SHOWN = 12
MOST_NAMED = 3
COSTS = (
    "nothing",
    "a few more numbers kept from the passes that are made anyway",
    "a short continuation of each prompt",
    "extra prefills",
    "another model, on stored text",
)


WIDTH, LEFT, RIGHT = 200.0, 6.0, 194.0  # of the marks; from an AUROC of 0.4 to 1


@dataclass(frozen=True)
class Mark:
    """A figure with its interval, laid out."""

    label: str
    x: float
    low: float
    high: float
    y: float


@dataclass(frozen=True)
class Scale:
    """The best signal and the free one beside each other."""

    marks: tuple[Mark, ...]
    chance: float
    text: str


@dataclass(frozen=True)
class Answer:
    """One model on one benchmark, a sentence a field; what cannot be told is a sentence too.

    ``scale`` draws the best signal and the free one, where there is anything to draw.
    """

    model: str
    task: str
    lead: str
    why: str
    show: str
    accuracy: str
    beats: str = ""
    scale: Scale | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, in the order of reading."""
        said = (self.lead, self.why, self.show, self.accuracy, self.beats)
        return tuple(text for text in said if text)


def answers_of(board: Board) -> tuple[Answer, ...]:
    """Of every model on every benchmark, in the order of the tables.

    Parameters
    ----------
    board : Board
        All results.

    Returns
    -------
    tuple of Answer
    """
    found = []
    for task in board.tasks:
        entries = entries_of(board, task)
        for run, result in board.of_task(task):
            own = [e for e in entries if e.run is run and e.task is result]
            found.append(_answer(run, result, own))
    return tuple(found)


def _answer(run: RunResult, result: TaskResult, entries: list[Entry]) -> Answer:
    model, task = text_cell(run.label, result.task).lines
    free = next((e for e in entries if e.standing == "the free one"), None)
    card = result.card
    accuracy = f"{_percent(card.accuracy)} of {card.n} answers are right ({card.n_groups} images)."
    if card.accuracy.value is None:
        accuracy = f"Accuracy is undefined: {card.accuracy.reason}."
    if min(card.n_errors, card.n - card.n_errors) < LEAST_PER_CLASS:
        few = "wrong" if card.n_errors < LEAST_PER_CLASS else "right"
        reason = f"fewer than {LEAST_PER_CLASS} {few} answers"
        lead = "Which signal to trust cannot be told."
        return Answer(model, task, lead, f"There are {reason}.", _show(result, free), accuracy)
    better = [e for e in entries if e.standing == "better than free"]
    best = better[0] if better else free
    return Answer(
        model,
        task,
        *_trust(better, entries, free),
        _show(result, best),
        accuracy,
        _beats(run, result),
        _scale(best, free),
    )


def _trust(better: list[Entry], entries: list[Entry], free: Entry | None) -> tuple[str, str]:
    """Which signal to trust, and why."""
    if free is None or free.figure.value is None:
        why = f"There is no valid {_FREE} to compare signals with."
        return "Which signal to trust cannot be told.", why
    if better:
        best = better[0]
        why = f"{_auroc(best)}, {_among(len(better))}; {_cost(best)}."
        other = f"{_capital(_FREE)}, which is free, has {_auroc(free)}."
        return f"Trust {best.signal.label}.", f"{why} {other}"
    compared = [e for e in entries if e.standing in ("worse", "cannot tell")]
    lead, own = f"Trust {_FREE}, which is free.", _auroc(free)
    if not compared:
        return lead, f"{own}; no other signal could be compared with it."
    told = f"{own}; none of {len(compared)} others is shown to be better."
    nearest = compared[0]
    if nearest.detectable is None or nearest.standing == "worse":
        return lead, told
    return lead, (
        f"{told} For the highest of them, {nearest.signal.label} with {_auroc(nearest)}, it cannot "
        f"be told: less than {nearest.detectable:.2g} more would not have been seen."
    )


def _among(n: int) -> str:
    if n == 1:
        return "the only one that is shown to be better than the free one"
    return f"the highest of {n} that are shown to be better than the free one"


def _cost(entry: Entry) -> str:
    """What it costs, in words."""
    passes = passes_of(entry.signal, entry.run, entry.task) - 1
    found = [f"{passes} more samples of each answer"] if passes else []
    found += [COSTS[entry.cost_class]] if entry.cost_class else []
    labels = entry.signal.family == "fusion" or needs_labels(entry)
    found += ["labelled answers to fit it on"] if labels else []
    return f"it costs {' and '.join(found)}" if found else "it costs nothing beside the answer"


def _scale(best: Entry | None, free: Entry | None) -> Scale | None:
    found = [e for e in (best, free) if e is not None and e.figure.low is not None]
    own = [e for i, e in enumerate(found) if e not in found[:i]]
    marks = tuple(
        Mark(e.signal.label, _x(e.figure.value), _x(e.figure.low), _x(e.figure.high), 6.0 + 10 * i)
        for i, e in enumerate(own)
    )
    text = "; ".join(f"{e.signal.label}: {_auroc(e)}" for e in own)
    return Scale(marks, _x(0.5), text) if marks else None


def _x(value: float | None) -> float:
    share = ((value or 0.0) - 0.4) / 0.6
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)


def _beats(run: RunResult, result: TaskResult) -> str:
    found = winners(run, result)
    if found is None:
        return "No signal has data enough to be compared with controls."
    best, n = found
    if not best:
        return f"None of {n} signals is shown to beat every control."
    names = [signal.label for signal in best[:MOST_NAMED]]
    more = [f"{len(best) - MOST_NAMED} more"] if len(best) > MOST_NAMED else []
    free = "" if any(signal.name == FREE for signal in best) else f"; {_FREE} is not one of them"
    return (
        f"{len(best)} of {n} signals are shown to beat every control: "
        f"{', '.join([*names, *more])}{free}."
    )


def _show(result: TaskResult, best: Entry | None) -> str:
    if best is None:
        return ""
    own = thresholds_in(result, best.signal.name)
    label = best.signal.label
    if own is None and best.signal.name != FREE:
        return f"{_show_free(result)} {_capital(label)} itself carries no promise.".strip()
    return _promised(label, () if own is None else own.promises)


def _show_free(result: TaskResult) -> str:
    own = thresholds_in(result, FREE)
    return "" if own is None else _promised(_FREE, own.promises)


def _promised(label: str, promises: tuple[Promise, ...]) -> str:
    kept = next((p for p in promises if p.threshold is not None), None)
    if kept is None or kept.coverage is None or kept.threshold is None:
        most = max((promise.risk for promise in promises), default=RISKS[-1])
        return f"No threshold of {label} can be promised, not even at {100 * most:.3g} % wrong."
    threshold = f"{kept.threshold:.3g}".replace("-", "−")
    return (
        f"Show answers from {label} {threshold} on: that is {100 * kept.coverage:.3g} % of them, "
        f"with at most {100 * kept.risk:.3g} % wrong, promised at 95 % confidence."
    )


def _auroc(entry: Entry) -> str:
    found = entry.figure
    what = "AUROC in kind" if entry.task.is_mixed else "AUROC"
    if found.value is None:
        return f"no {what}"
    if found.low is None or found.high is None:
        return f"{what} {found.value:.3f}"
    return f"{what} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _percent(found: Estimate) -> str:
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{100 * found.value:.3g} %"
    return f"{100 * found.value:.3g} % [{100 * found.low:.3g}, {100 * found.high:.3g}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def answer_texts(board: Board) -> list[str]:
    """A line for each model and benchmark, with all of its sentences."""
    return [f"{a.model} on {a.task}: {' '.join(a.sentences)}" for a in answers_of(board)]


def answer_lines(board: Board, width: int) -> list[str]:
    """What a build ends with: the sentences of each model and benchmark.

    Parameters
    ----------
    board : Board
        All results.
    width : int
        Columns of the terminal.

    Returns
    -------
    list of str
        Of at most `MOST_SHOWN` of them, and a line that counts the rest.
    """
    texts = answer_texts(board)
    lines: list[str] = []
    for text in texts[:MOST_SHOWN]:
        lines += textwrap.wrap(text, width, subsequent_indent="    ")
    more = len(texts) - MOST_SHOWN
    return [*lines, f"… and {more} more, in the report"] if more > 0 else lines
