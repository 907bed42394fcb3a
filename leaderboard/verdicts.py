"""Verdicts of a release check: what a paired difference says of a margin of tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboard.tolerances import Tolerances, is_lower_better
from metrics import comparison
from metrics.comparison import Difference, smallest_detectable_difference

Verdict = Literal[
    "regressed", "improved", "unchanged within margin", "cannot tell", "not asked for"
]


@dataclass(frozen=True)
class Change:
    """One gate's figure in both runs, and new less old on the same ``n`` samples.

    ``old`` and ``new`` are None where the figure does not exist in that run. ``not_asked`` is set
    where a setting of a run left the gate's signal out: it is passed over.
    """

    gate: str
    old: float | None
    new: float | None
    n: int
    difference: Difference
    not_asked: bool = False

    @property
    def value(self) -> float | None:
        """New less old."""
        return self.difference.estimate.value

    @property
    def reason(self) -> str | None:
        """Why there is no difference, or None."""
        return self.difference.estimate.reason


@dataclass(frozen=True)
class Gate:
    """One gate's outcome.

    ``p_value`` is Holm-adjusted. ``detectable`` is the smallest true difference seen with 80 %
    power at the level that the number of gates leaves to each.
    """

    change: Change
    margin: float
    verdict: Verdict
    p_value: float | None
    detectable: float | None


def judge(changes: Sequence[Change], tolerances: Tolerances) -> list[Gate]:
    """Give each gate its verdict.

    *regressed* (*improved*): worse (better) by a two-sided normal test on the bootstrap standard
    error of the difference, Holm-adjusted over all gates, **and** by more than the margin.
    *unchanged within margin*: the 95 % interval lies inside the margin. Else *cannot tell*. *not
    asked for*: a setting of a run left the signal out.

    Parameters
    ----------
    changes : sequence of Change
        One per gate.
    tolerances : Tolerances
        A margin for each of them.

    Returns
    -------
    list of Gate
        In the order given.
    """
    p_values = [change.difference.p_value for change in changes]
    n_gates = sum(p is not None for p in p_values)
    return [
        _gate(change, p, tolerances, n_gates)
        for change, p in zip(changes, holm(p_values), strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment; None stays None and is not counted.

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = [p for p in p_values if p is not None]
    adjusted = iter(comparison.holm(known).tolist() if known else [])
    return [None if p is None else next(adjusted) for p in p_values]


def _gate(change: Change, p_value: float | None, tolerances: Tolerances, n_gates: int) -> Gate:
    estimate, margin = change.difference.estimate, tolerances.margins[change.gate]
    detectable = None
    if estimate.stderr and n_gates:
        detectable = smallest_detectable_difference(
            estimate.stderr, alpha=tolerances.alpha / n_gates
        )
    verdict: Verdict = "not asked for" if change.not_asked else "cannot tell"
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return Gate(change, margin, verdict, p_value, detectable)
    if p_value is not None and p_value <= tolerances.alpha and abs(estimate.value) > margin:
        is_worse = (estimate.value > 0) == is_lower_better(change.gate)
        verdict = "regressed" if is_worse else "improved"
    elif -margin <= estimate.low and estimate.high <= margin:
        verdict = "unchanged within margin"
    return Gate(change, margin, verdict, p_value, detectable)
