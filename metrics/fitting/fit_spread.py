"""What fitting adds to the uncertainty of a cross-fitted score's AUROC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import (
    BoolArray,
    FloatArray,
    Labels,
    at_least,
    binary_labels,
    codes,
    refuse,
    two_classes,
)
from metrics.core.clustered import auroc_influence, t_interval
from metrics.core.estimate import Estimate
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.permutation import permutation_p

LEAST_REPEATS = 4
LEAST_FOR_P = 19  # fewer permutations have no p that would be small
LEVEL = 0.95


@dataclass(frozen=True)
class FitSpread:
    """What fitting adds to the standard error of an AUROC.

    Attributes
    ----------
    repeats : int
        Splits on which the whole cross-fit was repeated.
    stderr, stderr_within_kind, stderr_within_answer : float
        To be added in quadrature to the clustered standard error of the AUROC over all pairs,
        within question kinds and within given answers.
    p : float or None
        Permutation p-value of "there is nothing to find"; None where none was drawn.
    shuffled : tuple of float
        AUROC of the same procedure on permuted labels, one each: its control.
    """

    repeats: int
    stderr: float
    stderr_within_kind: float
    stderr_within_answer: float
    p: float | None = None
    shuffled: tuple[float, ...] = ()

    @property
    def shuffled_auroc(self) -> Estimate:
        """Mean AUROC on permuted labels, with a t interval: off 0.5, the procedure leaks."""
        n = len(self.shuffled)
        if n < 2:
            return Estimate.undefined("not fitted on shuffled labels")
        mean, stderr = float(np.mean(self.shuffled)), float(np.std(self.shuffled, ddof=1) / n**0.5)
        if stderr == 0:
            return Estimate.undefined(f"{mean:.3f} on each of {n} shuffled labels: no interval")
        low, high = t_interval(mean, stderr, n - 1, level=LEVEL)
        note = f"mean of {n} permutations of the labels"
        return Estimate(mean, max(0.0, low), min(1.0, high), stderr, None, note)

    def beside(self, reached: float, shuffled: FloatArray) -> FitSpread:
        """With AUROCs on permuted labels, and the permutation p of the one reached."""
        p = permutation_p(reached, shuffled) if len(shuffled) >= LEAST_FOR_P else None
        return replace(self, p=p, shuffled=tuple(map(float, shuffled)))

    @property
    def variances(self) -> tuple[float, float]:
        """What fitting adds to the squared standard errors, over all pairs and within kinds."""
        return self.stderr**2, self.stderr_within_kind**2

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, as the manifest's ``fits`` keeps them."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FitSpread:
        """Read `to_json`'s form; what is not there within kinds or answers is as over all pairs."""
        overall = float(data["stderr"])
        within = (data.get(f"stderr_within_{strata}") for strata in ("kind", "answer"))
        kind, answer = (overall if value is None else float(value) for value in within)
        p = data.get("p")
        own = None if p is None else float(p)
        shuffled = tuple(map(float, data.get("shuffled") or ()))
        return cls(int(data["repeats"]), overall, kind, answer, own, shuffled)


@dataclass(frozen=True)
class FittedScores:
    """Out-of-fold scores (n_samples,) of the middle one of several cross-fits, and their spread.

    ``fit`` is None below 4 repeats; ``figures`` are what else is told of them in the manifest.
    """

    scores: FloatArray
    fit: FitSpread | None
    figures: Mapping[str, float] = field(default_factory=dict)


def fit_spread(
    correct: ArrayLike,
    scores: ArrayLike,
    *,
    kinds: Labels | None = None,
    answers: Labels | None = None,
    n_folds: int = 5,
    p: float | None = None,
) -> FitSpread:
    r"""Variance that fitting adds to the AUROC of out-of-fold scores, from repeated cross-fits.

    .. math:: V_{fit} = \frac{K}{2} \cdot \frac{R - 1}{R - 3}\, S^2, \qquad
        V = V_{frozen} + V_{fit}

    with :math:`S^2` the variance of the AUROC over R splits into K folds. Where there is little to
    find, AUROC is a sum over pairs of a scored and a fitted sample; the clustered standard error of
    frozen scores takes the fitted ones as given and so has half of its variance. A split leaves out
    each pair with chance 1/K, so that :math:`S^2` is :math:`2 / K` times the missing half (compare
    Nadeau and Bengio 2003). The second factor allows for R being small. Where there is much to
    find, splits agree and the term vanishes as it should. The reported split is the middle one by
    AUROC, which is steadier than any one split, so intervals on noise are too wide rather than too
    short; within kinds and answers, where it need not be the middle one, :math:`S^2 / 2` more is
    added. What these intervals really hold is in docs/statistics.md. No direction. Range: standard
    errors >= 0.

    The interval made of V is conditional on nothing but the procedure: it is one for the expected
    AUROC of this cross-fit on new data of this size, not for the probe at hand.

    Parameters
    ----------
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    scores : float array, shape (n_repeats, n_samples)
        Out-of-fold scores of each repeat, at least 4.
    kinds, answers : sequence, length n_samples, optional
        Question kind and given answer of each sample; as over all pairs where absent, or where no
        pair has the same.
    n_folds : int, default 5
        Folds of each repeat.
    p : float, optional
        Permutation p-value to keep beside.

    Returns
    -------
    FitSpread
        Standard errors to add in quadrature.

    Raises
    ------
    UndefinedMetricError
        If a class is absent.
    ValueError
        If there are fewer than 4 repeats or an argument is malformed.

    References
    ----------
    Nadeau and Bengio (2003), Machine Learning 52; the factor is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> correct = np.arange(100) % 2
    >>> fit_spread(correct, rng.normal(size=(10, 100))).stderr > 0.03
    True
    >>> round(fit_spread(correct, np.tile(rng.normal(size=100), (10, 1))).stderr, 9)
    0.0
    """
    label = binary_labels("fit_spread", "correct", correct)
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 2 or s.shape[1] != label.size or not np.isfinite(s).all():
        legal = f"(n_repeats, {label.size}) finite numbers"
        raise refuse("fit_spread", "scores", legal, f"shape {s.shape}")
    at_least("fit_spread", "n_repeats", len(s), LEAST_REPEATS)
    at_least("fit_spread", "n_folds", n_folds, 2)
    two_classes(label)
    overall = float(auroc_columns(label, s.T).var(ddof=1))
    small = (len(s) - 1) / (len(s) - 3)

    def stderr(strata: Labels | None) -> float:
        return float(np.sqrt(small * _stratified(label, s, strata, overall, n_folds / 2)))

    return FitSpread(len(s), stderr(None), stderr(kinds), stderr(answers), p)


def _stratified(
    label: BoolArray, s: FloatArray, strata: Labels | None, overall: float, factor: float
) -> float:
    if strata is None:
        return factor * overall
    stratum = codes("fit_spread", "kinds or answers", strata, label.size)
    found = np.array([auroc_influence(label, row, stratum)[0] for row in s])
    if np.isnan(found).any() or np.unique(stratum).size == 1:
        return factor * overall
    return (factor + 0.5) * float(found.var(ddof=1))
