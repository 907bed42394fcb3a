"""AUROC per cost: which signals nothing cheaper reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from leaderboard.results.aggregate import RunResult, TaskResult
from metrics.card.card import SignalResult
from metrics.scores.bootstrap import Estimate

SUPERVISED = ("probe", "stress test", "fusion")


@dataclass(frozen=True)
class CostPoint:
    """A signal, what it costs and what it tells.

    ``passes`` counts answers decoded, all on the prefill of the first: 1 for what comes with the
    answer itself, 1 + K for what needs K samples beside it. ``needs_labels`` marks what is fitted
    on labelled answers first. ``on_front`` is False where a signal that costs no more of either
    tells as much or more.
    """

    name: str
    label: str
    passes: int
    needs_labels: bool
    figure: Estimate
    on_front: bool = True

    def is_dominated_by(self, other: CostPoint) -> bool:
        """Whether the other costs no more, tells no less, and is better in one of the three."""
        mine = (self.passes, self.needs_labels, -(self.figure.value or 0))
        theirs = (other.passes, other.needs_labels, -(other.figure.value or 0))
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
    return tuple(
        sorted(marked, key=lambda p: (p.passes, p.needs_labels, -(p.figure.value or 0), p.name))
    )


def _points(run: RunResult, result: TaskResult) -> Iterator[CostPoint]:
    k = int(run.manifest.settings.get("k") or 0)
    families = {signal.name: signal.family for signal in result.card.signals}
    for signal in result.card.signals:
        yield from _point(signal, result, signal.family, 1 + k * (signal.family == "consistency"))
    for fusion in result.card.fusion:
        sampled = any(families.get(name) == "consistency" for name in fusion.members)
        named = replace(fusion.result, name=fusion.name)
        yield from _point(named, result, "fusion", 1 + k * sampled)


def _point(
    signal: SignalResult, result: TaskResult, family: str, passes: int
) -> Iterator[CostPoint]:
    figure = result.card.common.of(signal.name, mixed=result.is_mixed)
    if figure is not None and figure.value is not None:
        yield CostPoint(signal.name, signal.label, passes, family in SUPERVISED, figure)
