"""How large a fall of a ranking would have been found, with the error that it would then have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.optimize import brentq
from scipy.stats import t as student

from metrics.comparison.differences import Difference
from metrics.comparison.paired import Pair, augrc_influence, checked_pairs, strata_of
from metrics.core.checks import BoolArray, FloatArray, IntArray, Labels, between, refuse
from metrics.core.clustered import auroc_influence, clustered_stderr


def detectable_ranking_difference(
    difference: Difference,
    first: Pair,
    second: Pair,
    *,
    groups: Labels,
    kinds: Labels | None = None,
    figure: Literal["auroc", "augrc"] = "auroc",
    margin: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float | None:
    r"""Loss of the first against the second that a test would have found beyond a margin.

    .. math:: \delta = M + (t_{1 - \alpha/2} + t_{power}) \, SE(\delta), \qquad
        SE^2(\delta) = SE^2 + V(\delta) - V(0)

    A lower AUROC is less certain, so the standard error grows with the loss: in :math:`V(\delta)`,
    the variance over images, the influence of each sample on the first's AUROC is larger by the
    root of how much larger Hanley and McNeil's variance is at the AUROC that this loss leaves.
    Lower means a finer comparison. Range: :math:`(M, 1]`.

    Parameters
    ----------
    difference : Difference
        First less second, from `paired_auroc_difference` or `paired_augrc_difference`; its standard
        error and degrees are used.
    first, second : tuple of (y_true, y_score), each shape (n_samples,)
        What was compared.
    groups : sequence, length n_samples
        Image of each sample.
    kinds : sequence, length n_samples, optional
        As in the difference.
    figure : {"auroc", "augrc"}, default "auroc"
        What the difference is of. A loss of AUGRC, a rise, is taken to come from the AUROC.
    margin : float >= 0, default 0.0
        What the loss has to exceed.
    power : float in (alpha, 1), default 0.8
        Chance of finding it.
    alpha : float in (0, 1), default 0.05
        Two-sided level of the test.

    Returns
    -------
    float or None
        None if no loss is large enough, or the difference has no test.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Hanley and McNeil (1982), Radiology 143, variance of an AUROC; its use here is ours.

    Examples
    --------
    >>> from metrics.scores.paired_differences import paired_auroc_difference
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 2
    >>> one, two = ((y, 2 * y + rng.normal(size=400)) for _ in range(2))
    >>> found = paired_auroc_difference(one, two, groups=range(400))
    >>> loss = detectable_ranking_difference(found, one, two, groups=range(400))
    >>> loss > found.smallest_detectable  # which takes the standard error as it is
    True
    """
    function = "detectable_ranking_difference"
    between(function, "alpha", alpha, 0, 1 - 1e-12)
    between(function, "power", power, alpha, 1 - 1e-12)
    if not (math.isfinite(margin) and margin >= 0):
        raise refuse(function, "margin", ">= 0", margin)
    if figure not in ("auroc", "augrc"):
        raise refuse(function, "figure", "auroc or augrc", figure)
    sides, group = checked_pairs(function, first, second, groups)
    stderr = difference.estimate.stderr
    if not stderr or difference.smallest_detectable is None:
        return None
    degrees = math.inf if difference.degrees is None else difference.degrees
    quantiles = float(student.ppf([1 - alpha / 2, power], degrees).sum())
    strata = strata_of(function, kinds, group.size)
    own, other = (_Ranking.of(*side, strata) for side in sides)
    accuracy = own.correct.mean()
    per_auroc = 1.0 if figure == "auroc" else float(accuracy * (1 - accuracy))

    def variance(loss: float) -> float:
        left = own.at(other.area - loss / per_auroc) if loss else own
        return clustered_stderr(left.influence(figure) - other.influence(figure), group) ** 2

    now = variance(0.0)

    def excess(loss: float) -> float:
        grown = max(0.0, variance(loss) - now)
        return loss - margin - quantiles * math.sqrt(stderr**2 + grown)

    most = per_auroc * other.area
    if most <= margin or excess(most) < 0:
        return None
    return float(brentq(excess, margin, most))


@dataclass(frozen=True)
class _Ranking:
    """An AUROC and the influence of each sample on it."""

    correct: BoolArray
    area: float
    of_area: FloatArray

    @classmethod
    def of(cls, correct: BoolArray, score: FloatArray, strata: IntArray) -> _Ranking:
        return cls(correct, *auroc_influence(correct, score, strata))

    def at(self, area: float) -> _Ranking:
        """Return the same samples, ranked so much worse."""
        least = 1 / (2 * self.correct.size)
        n_correct = int(self.correct.sum())
        then, now = (
            _hanley_mcneil(min(max(a, least), 1 - least), n_correct, self.correct.size - n_correct)
            for a in (area, self.area)
        )
        return _Ranking(self.correct, area, math.sqrt(max(1.0, then / now)) * self.of_area)

    def influence(self, figure: str) -> FloatArray:
        if figure == "auroc":
            return self.of_area
        return augrc_influence(self.correct, self.area, self.of_area)


def _hanley_mcneil(area: float, n_correct: int, n_errors: int) -> float:
    """Return the variance of an AUROC whose scores are exponential."""
    right, wrong = area / (2 - area), 2 * area**2 / (1 + area)
    pairs = n_correct * n_errors
    spread = (n_correct - 1) * (right - area**2) + (n_errors - 1) * (wrong - area**2)
    return float((area * (1 - area) + spread) / pairs)
