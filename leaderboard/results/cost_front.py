"""AUROC per cost: which signals nothing cheaper reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from leaderboard.results.aggregate import RunResult, TaskResult
from metrics.card.card import SignalResult
from metrics.scores.bootstrap import Estimate
from metrics.signals import BY_NAME, Signal

# channels that are made of K sampled answers
SAMPLED = ("samples", "answers_entailed", "answers_alike", "truth_asked_with_samples")
SUPERVISED = ("probe", "stress test", "fusion")


@dataclass(frozen=True)
class CostPoint:
    """A signal, what it costs and what it tells.

    ``passes`` counts answers decoded, all on the prefill of the first: 1 for what comes with the
    answer itself, 1 + K for what needs K samples beside it; ``cost_class`` is what it adds to that
    (`metrics.signals.Signal.cost_class`). ``needs_labels`` marks what is fitted on labelled answers
    first. ``on_front`` is False where a signal that costs no more of any tells as much or more.
    """

    name: str
    label: str
    passes: int
    needs_labels: bool
    figure: Estimate
    cost_class: int = 0
    on_front: bool = True

    @property
    def cost(self) -> tuple[int, int, bool]:
        """What it costs, in all three ways."""
        return self.passes, self.cost_class, self.needs_labels

    def is_dominated_by(self, other: CostPoint) -> bool:
        """Whether the other costs no more, tells no less, and is better in one of these."""
        mine = (*self.cost, -(self.figure.value or 0))
        theirs = (*other.cost, -(other.figure.value or 0))
        return mine != theirs and all(b <= a for a, b in zip(mine, theirs, strict=True))


def cost_points(run: RunResult, result: TaskResult) -> tuple[CostPoint, ...]:
    """Every deployable signal and fusion that has a figure, cheapest and then best first.

    Parameters
    ----------
    run, result
        The run and its result on the benchmark.

    Returns
    -------
    tuple of CostPoint
        The figure is AUROC on the samples that all of them have, within kinds where they are mixed;
        what is missing on more than 5 % of the samples, and copies, are not there. Point values
        decide the front; what stands in its interval is a tie all the same (see the ranks).
    """
    points = list(_points(run, result))
    marked = [
        replace(point, on_front=not any(point.is_dominated_by(other) for other in points))
        for point in points
    ]
    return tuple(sorted(marked, key=lambda p: (*p.cost, -(p.figure.value or 0), p.name)))


def class_of(name: str, result: TaskResult) -> int:
    """Class of cost of a signal, of a fusion the largest of its members'."""
    if name in BY_NAME:
        return BY_NAME[name].cost_class
    members = next((fusion.members for fusion in result.card.fusion if fusion.name == name), ())
    return max((BY_NAME[m].cost_class for m in members if m in BY_NAME), default=0)


def passes_of(signal: SignalResult, run: RunResult, result: TaskResult) -> int:
    """Answers decoded for it: 1 + K where it, or a member of a fusion, needs K samples."""
    members = next((f.members for f in result.card.fusion if f.name == signal.name), (signal.name,))
    families = {own.name: own.family for own in result.card.signals}
    k = int(run.manifest.settings.get("k") or 0)
    return 1 + k * any(_samples(name, families) for name in members)


def is_sampled(signal: Signal) -> bool:
    """Whether a declared signal is made of K sampled answers."""
    return signal.cost == "samples" or any(c.name in SAMPLED for c in signal.needs)


def _samples(name: str, families: Mapping[str, str]) -> bool:
    return is_sampled(BY_NAME[name]) if name in BY_NAME else families.get(name) == "consistency"


def _points(run: RunResult, result: TaskResult) -> Iterator[CostPoint]:
    for signal in result.card.signals:
        yield from _point(signal, run, result, signal.family)
    for fusion in result.card.fusion:
        yield from _point(replace(fusion.result, name=fusion.name), run, result, "fusion")


def _point(
    signal: SignalResult, run: RunResult, result: TaskResult, family: str
) -> Iterator[CostPoint]:
    figure = result.card.common.of(signal.name, mixed=result.is_mixed)
    if figure is not None and figure.value is not None:
        yield CostPoint(
            signal.name,
            signal.label,
            passes_of(signal, run, result),
            family in SUPERVISED,
            figure,
            class_of(signal.name, result),
        )
