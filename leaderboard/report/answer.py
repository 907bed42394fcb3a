"""The answer first: what a model's signals come to on a benchmark, in words made of the figures."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from leaderboard.report.scale import Scale, scale_of
from leaderboard.report.words import auroc_words, capital, digits, percent
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.arena import Arena, Entry, arena_of
from leaderboard.results.cost_front import passes_of
from leaderboard.tables.arena import needs_labels
from leaderboard.tables.cells import figure, format_difference, text_cell
from leaderboard.tables.thresholds import RISKS, Promise, thresholds_in
from leaderboard.tables.worth import winners
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


@dataclass(frozen=True)
class Answer:
    """One model on one benchmark, a sentence a field; what cannot be told is a sentence too.

    ``scale`` draws the best signal and the free one, where there is anything to draw.
    """

    model: str
    task: str
    lead: str
    show: str
    cost: str
    why: str
    accuracy: str
    beats: str = ""
    scale: Scale | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, in the order of reading."""
        said = (self.lead, self.show, self.cost, self.why, self.accuracy, self.beats)
        return tuple(text for text in said if text)

    @property
    def grounds(self) -> tuple[str, ...]:
        """The sentences that stand below what to do."""
        return tuple(text for text in (self.why, self.accuracy, self.beats) if text)


def answers_of(board: Board, arena: Arena | None = None) -> tuple[Answer, ...]:
    """Of every model on every benchmark, in the order of the tables.

    Parameters
    ----------
    board : Board
        All results.
    arena : dict, optional
        Its `arena_of`, where that is at hand.

    Returns
    -------
    tuple of Answer
    """
    arena = arena_of(board) if arena is None else arena
    found = []
    for task in board.tasks:
        entries = arena[task]
        for run, result in board.of_task(task):
            own = [e for e in entries if e.run is run and e.task is result]
            found.append(_answer(run, result, own))
    return tuple(found)


def _answer(run: RunResult, result: TaskResult, entries: list[Entry]) -> Answer:
    model, task = text_cell(run.label, result.task).lines
    free = next((e for e in entries if e.standing == "the free one"), None)
    card = result.card
    accuracy = f"{percent(card.accuracy)} of {card.n} answers are right ({card.n_groups} images)."
    if card.accuracy.value is None:
        accuracy = f"Accuracy is undefined: {card.accuracy.reason}."
    if min(card.n_errors, card.n - card.n_errors) < LEAST_PER_CLASS:
        few = "wrong" if card.n_errors < LEAST_PER_CLASS else "right"
        reason = f"fewer than {LEAST_PER_CLASS} {few} answers"
        lead = "Which signal to trust cannot be told."
        show = _show(result, free)
        return Answer(model, task, lead, show, "", f"There are {reason}.", accuracy)
    better = [e for e in entries if e.standing == "better than free"]
    best = better[0] if better else free
    return Answer(
        model,
        task,
        _lead(best),
        _show(result, best),
        _cost(better[0]) if better else "",
        _why(better, entries, free),
        accuracy,
        _beats(run, result, best),
        scale_of(best, free),
    )


def _lead(best: Entry | None) -> str:
    """Which signal to trust; what is free says so at once."""
    if best is None or best.figure.value is None:
        return "Which signal to trust cannot be told."
    return f"Trust {best.signal.label}{', which is free' if best.signal.name == FREE else ''}."


def _why(better: list[Entry], entries: list[Entry], free: Entry | None) -> str:
    if free is None or free.figure.value is None:
        return f"There is no valid {_FREE} to compare signals with."
    if better:
        why = f"{auroc_words(better[0])}, {_among(len(better))}."
        return f"{why} {capital(_FREE)}, which is free, has {auroc_words(free)}."
    compared = [e for e in entries if e.standing in ("worse", "cannot tell")]
    if not compared:
        return f"{auroc_words(free)}; no other signal could be compared with it."
    told = f"{auroc_words(free)}; none of {len(compared)} others is shown to be better."
    return f"{told} {_nearest(compared)}".strip()


def _nearest(compared: list[Entry]) -> str:
    """The undecided one with the largest lead, on the answers that it shares with the free one.

    Its AUROC beside that of the free one would not be fair: it may have a value on easier answers.
    """
    open_ = [e for e in compared if e.standing == "cannot tell" and e.detectable is not None]
    nearest = max(open_, key=_lead_of, default=None)
    if nearest is None or nearest.contrast is None or nearest.difference is None:
        return ""
    return (
        f"Nearest is {nearest.signal.label}, {format_difference(nearest.difference)} against it "
        f"on the {nearest.contrast.n} answers that have both; a lead below "
        f"{nearest.detectable:.3f} could have been missed."
    )


def _lead_of(entry: Entry) -> float:
    found = entry.difference
    return -1.0 if found is None or found.value is None else found.value


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
    return f"It costs {' and '.join(found) or 'nothing beside the answer'}."


def _beats(run: RunResult, result: TaskResult, trusted: Entry | None) -> str:
    """Which signals beat every control; the one to trust is named first if it does."""
    found = winners(run, result)
    if found is None:
        return "No signal has data enough to be compared with controls."
    best, n = found
    if not best:
        return f"None of {n} signals is shown to beat every control."
    first = trusted.signal.name if trusted is not None else FREE
    best = sorted(best, key=lambda signal: signal.name != first)
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
        return f"{_show_free(result)} {capital(label)} itself carries no promise.".strip()
    return _promised(result, best.signal.name, label, () if own is None else own.promises)


def _show_free(result: TaskResult) -> str:
    own = thresholds_in(result, FREE)
    return "" if own is None else _promised(result, FREE, _FREE, own.promises)


def _promised(result: TaskResult, name: str, label: str, promises: tuple[Promise, ...]) -> str:
    kept = next((p for p in promises if p.threshold is not None), None)
    if kept is None or kept.coverage is None or kept.threshold is None:
        most = max((promise.risk for promise in promises), default=RISKS[-1])
        return f"No threshold of {label} can be promised, not even at {100 * most:.3g} % wrong."
    right = result.card.accuracy.value
    of_all = "" if right is None else f" (of all, {digits(100 * (1 - right))} % are)"
    return (
        f"Show answers with {label} of at least {_value(name, kept.threshold)}: that is "
        f"{digits(100 * kept.coverage)} % of them, with at most {100 * kept.risk:.3g} % wrong"
        f"{of_all}, promised at 95 % confidence."
    )


def _value(name: str, threshold: float) -> str:
    """A threshold, and what probability a logarithm stands for."""
    shown = figure(threshold, "{:.3g}")
    is_log = name in BY_NAME and BY_NAME[name].states == "log-probability"
    return f"{shown} (a probability of {digits(math.exp(threshold))})" if is_log else shown


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
