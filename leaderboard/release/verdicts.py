"""Verdicts of a release check: what a paired difference says of a margin of tolerance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.release.tolerances import ACCURACY, Tolerances, is_lower_better
from metrics.comparison import differences
from metrics.comparison.differences import Difference, smallest_detectable_difference
from metrics.core.limits import too_few_answers, too_few_images

Verdict = Literal["regressed", "improved", "unchanged within margin", "cannot tell", "not offered"]


@dataclass(frozen=True)
class Change:
    """One gate's figure in both runs, and new less old on the same samples.

    ``n`` answers of ``n_groups`` images were compared. ``old`` and ``new`` are None where the
    figure does not exist in that run. The difference's p-value is of a true change within the
    margin. ``detectable`` gives the smallest change that is found at a level, for gates whose
    standard error would be another one then. ``not_offered`` is set where a run leaves the gate's
    signal out: it is passed over.
    """

    gate: str
    old: float | None
    new: float | None
    n: int
    n_groups: int
    difference: Difference
    detectable: Callable[[float], float | None] | None = None
    not_offered: bool = False

    @property
    def value(self) -> float | None:
        """New less old."""
        return self.difference.estimate.value

    @property
    def reason(self) -> str | None:
        """Why there is no difference, or None."""
        return self.difference.estimate.reason

    @property
    def note(self) -> str | None:
        """Why there is no difference, or what its interval is made of."""
        return self.reason or self.difference.estimate.note


@dataclass(frozen=True)
class Gate:
    """One gate's outcome.

    ``p_value`` is Holm-adjusted, of a true change within the margin. ``detectable`` is the smallest
    true change that is called "regressed" with 80 % power, at the level that the number of gates
    leaves to each.
    """

    change: Change
    margin: float
    verdict: Verdict
    p_value: float | None
    detectable: float | None


def reason_against(gate: str, labels: Sequence[np.ndarray], n_groups: int) -> str | None:
    """Why no verdict is read: too few images, or (but for accuracy) right or wrong answers.

    Parameters
    ----------
    gate : str
        Its name.
    labels : sequence of 0/1 arrays
        Correctness in each run.
    n_groups : int
        Images.

    Returns
    -------
    str or None
    """
    few = too_few_images(n_groups)
    if few is not None or gate == ACCURACY:
        return few
    counts = [(int((row == 1).sum()), int((row == 0).sum())) for row in labels]
    return too_few_answers(min(right for right, _ in counts), min(wrong for _, wrong in counts))


def judge(changes: Sequence[Change], tolerances: Tolerances) -> list[Gate]:
    """Give each gate its verdict.

    *regressed* (*improved*): worse (better) by more than the margin, tested: the p-value of a true
    change within the margin, Holm-adjusted over all gates, is at most alpha. For a single gate and
    alpha 0.05 that is a 95 % interval which lies beyond the margin. *unchanged within margin*: the
    95 % interval lies inside the margin. Else *cannot tell*. *not offered*: a run leaves the signal
    out.

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
    adjusted = iter(differences.holm(known).tolist() if known else [])
    return [None if p is None else next(adjusted) for p in p_values]


def _gate(change: Change, p_value: float | None, tolerances: Tolerances, n_gates: int) -> Gate:
    estimate, margin = change.difference.estimate, tolerances.margins[change.gate]
    detectable = _detectable(change, margin, tolerances.alpha / n_gates) if n_gates else None
    verdict: Verdict = "not offered" if change.not_offered else "cannot tell"
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return Gate(change, margin, verdict, p_value, None)
    if p_value is not None and p_value <= tolerances.alpha and abs(estimate.value) > margin:
        is_worse = (estimate.value > 0) == is_lower_better(change.gate)
        verdict = "regressed" if is_worse else "improved"
    elif -margin <= estimate.low and estimate.high <= margin:
        verdict = "unchanged within margin"
    return Gate(change, margin, verdict, p_value, detectable)


def _detectable(change: Change, margin: float, alpha: float) -> float | None:
    if change.detectable is not None:
        return change.detectable(alpha)
    stderr, difference = change.difference.estimate.stderr, change.difference
    if not stderr or difference.smallest_detectable is None:
        return None
    return smallest_detectable_difference(
        stderr, alpha=alpha, degrees=difference.degrees, margin=margin
    )
