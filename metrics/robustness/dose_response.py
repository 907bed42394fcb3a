"""Curves of accuracy over dose, put together from the rows of a sweep."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import FloatArray, Labels, finite_array, refuse, same_length
from metrics.core.estimate import Estimate
from metrics.core.proportions import proportion_estimate


@dataclass(frozen=True)
class DoseResponse:
    """Accuracy at each dose of one intervention, and without it.

    Attributes
    ----------
    doses : float array, shape (n_doses,)
        Rising, all > 0.
    correct : float array, shape (n_samples, n_doses)
        In [0, 1]: 0 or 1, or the mean over seeds.
    clean : float array, shape (n_samples,)
        The same without intervention, which is dose 0.
    """

    doses: FloatArray
    correct: FloatArray
    clean: FloatArray

    def __post_init__(self) -> None:
        """Refuse what is not a curve."""
        doses = finite_array("DoseResponse", "doses", self.doses)
        if not doses.size or doses[0] <= 0 or (np.diff(doses) <= 0).any():
            raise refuse("DoseResponse", "doses", "rising and > 0", doses.tolist())
        finite_array("DoseResponse", "correct", self.correct, ndim=2)
        finite_array("DoseResponse", "clean", self.clean)
        if self.correct.shape != (self.clean.size, doses.size):
            expected = f"shape ({self.clean.size}, {doses.size})"
            raise refuse("DoseResponse", "correct", expected, f"shape {self.correct.shape}")

    def columns(self) -> FloatArray:
        """Outcomes at dose 0 and at each dose, shape (n_samples, n_doses + 1)."""
        return np.column_stack([self.clean, self.correct])

    def accuracy(self) -> FloatArray:
        """Accuracy at dose 0 and at each dose."""
        accuracy: FloatArray = self.columns().mean(axis=0)
        return accuracy

    def area(self) -> float:
        """Value of `robustness_area`; NaN if no answer is right without intervention."""
        accuracy, largest = self.accuracy(), float(self.doses[-1])
        whole = np.trapezoid(accuracy, np.append(0.0, self.doses))
        return float(whole / (accuracy[0] * largest)) if accuracy[0] > 0 else float("nan")


@dataclass(frozen=True)
class Flips:
    """Shares of all answers that an intervention made wrong, and that it made right."""

    lost: Estimate
    gained: Estimate


def dose_response(
    samples: Sequence[Hashable],
    *,
    sample: Labels,
    dose: ArrayLike,
    correct: ArrayLike,
    clean: ArrayLike,
) -> DoseResponse:
    r"""Put the rows of one intervention together, mean over seeds.

    .. math:: a_{ij} = \frac{1}{|R_{ij}|} \sum_{r \in R_{ij}} correct_r

    with :math:`R_{ij}` the rows of sample :math:`i` at dose :math:`j`. No direction. Range:
    :math:`[0, 1]`.

    Parameters
    ----------
    samples : sequence
        The samples wanted, in the order wanted.
    sample : sequence, length n_rows
        Whose row it is; rows of others are passed over.
    dose : float array, shape (n_rows,)
        Of each row.
    correct : float array, shape (n_rows,)
        Outcome under the intervention: 0 or 1.
    clean : float array, shape (n_rows,)
        The sample's outcome without it.

    Returns
    -------
    DoseResponse

    Raises
    ------
    ValueError
        If a sample lacks a dose that another one has, or an argument is malformed.

    References
    ----------
    Method §5.

    Examples
    --------
    >>> curve = dose_response(
    ...     ["a", "b"], sample=["a", "a", "b", "b"], dose=[1, 1, 1, 1],
    ...     correct=[1, 0, 1, 1], clean=[1, 1, 1, 1],
    ... )
    >>> curve.correct.tolist()
    [[0.5], [1.0]]
    """
    function = "dose_response"
    x = finite_array(function, "dose", dose)
    outcome = finite_array(function, "correct", correct)
    before = finite_array(function, "clean", clean)
    for name, values in (("correct", outcome), ("clean", before), ("sample", sample)):
        same_length(function, name, values, x.size)
    place = {name: index for index, name in enumerate(samples)}
    rows = np.array([place.get(name, -1) for name in sample], dtype=np.int64)
    wanted = rows >= 0
    doses, column = np.unique(x[wanted], return_inverse=True)
    cells = rows[wanted] * doses.size + column
    size = len(place) * doses.size
    count = np.bincount(cells, minlength=size).reshape(len(place), doses.size)
    if not count.size or not count.all():
        lacking = int((count == 0).any(axis=1).sum()) if count.size else len(place)
        raise refuse(function, "sample", "complete", f"{lacking} samples that lack a dose")
    total = np.bincount(cells, weights=outcome[wanted], minlength=size).reshape(count.shape)
    start = np.zeros(len(place))
    start[rows[wanted]] = before[wanted]
    return DoseResponse(doses, total / count, start)


def answer_flips(response: DoseResponse, *, groups: Labels, level: float = 0.95) -> list[Flips]:
    r"""Answers that turned wrong, and answers that turned right, at each dose.

    .. math:: lost = \overline{c\,(1 - a)}, \qquad gained = \overline{(1 - c)\,a}

    with :math:`c` the outcome without and :math:`a` with the intervention. Accuracy changes by
    their difference; equal accuracies can hide many flips. No direction. Range: :math:`[0, 1]`.

    Parameters
    ----------
    response : DoseResponse
        The curve.
    groups : sequence, length n_samples
        Image of each sample.
    level : float in (0, 1), default 0.95
        Coverage of the intervals.

    Returns
    -------
    list of Flips
        One per dose.

    References
    ----------
    Method §5 (ours).

    Examples
    --------
    >>> curve = DoseResponse(np.ones(1), np.array([[0.0], [1.0]]), np.array([1.0, 0.0]))
    >>> (flips,) = answer_flips(curve, groups="ab")
    >>> flips.lost.value, flips.gained.value
    (0.5, 0.5)
    """
    clean = response.clean
    return [
        Flips(
            proportion_estimate(clean * (1 - after), groups, level=level),
            proportion_estimate((1 - clean) * after, groups, level=level),
        )
        for after in response.correct.T
    ]
