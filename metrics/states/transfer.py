"""Whether a probe of one task knows the errors of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.core.checks import BoolArray, FloatArray, Labels, binary_labels, refuse
from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc
from metrics.states.fitted_probe import FittedProbe, fit_probe
from metrics.states.probes import cross_fit_probe


@dataclass(frozen=True)
class TransferMatrix:
    """``auroc[i][j]``: probe fitted on ``tasks[i]``, scored on ``tasks[j]``.

    The diagonal is out of fold. An undefined cell is None, and ``reasons`` says why under
    "fitted → scored".
    """

    tasks: tuple[str, ...]
    auroc: tuple[tuple[float | None, ...], ...]
    reasons: dict[str, str]


def transfer_matrix(
    states: Mapping[str, NDArray[np.floating]],
    correct: Mapping[str, ArrayLike],
    groups: Mapping[str, Labels],
    *,
    rng: np.random.Generator,
) -> TransferMatrix:
    r"""AUROC of a probe fitted on one task and scored on another, for all pairs.

    .. math:: A_{ij} = P(s_i(x^+_j) > s_i(x^-_j)) + \tfrac12 P(s_i(x^+_j) = s_i(x^-_j))

    with :math:`s_i` fitted on task :math:`i` without the images that task :math:`j` has too, and
    :math:`x^\pm_j` right and wrong answers of task :math:`j`. Higher means what is learnt on one
    task holds on the other. Range: each in :math:`[0, 1]`.

    Parameters
    ----------
    states : mapping of str to float array, shape (n_samples, n_layers + 1, d_model)
        Of one model; every task has the same layers and width.
    correct : mapping of str to 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : mapping of str to sequence, length n_samples
        Image of each sample; equal names in two tasks are the same image.
    rng : numpy.random.Generator
        Source of the splits.

    Returns
    -------
    TransferMatrix
        In the order of ``states``.

    Raises
    ------
    ValueError
        If the three mappings do not name the same tasks, or widths differ.

    References
    ----------
    Method §4 (ours).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(200) % 2
    >>> states = {name: rng.normal(size=(200, 1, 4)) + 2 * label[:, None, None] for name in "ab"}
    >>> found = transfer_matrix(
    ...     states, dict.fromkeys("ab", label),
    ...     {name: [f"{name}{i}" for i in range(200)] for name in "ab"}, rng=rng,
    ... )
    >>> min(min(row) for row in found.auroc) > 0.9
    True
    """
    tasks = tuple(states)
    if set(tasks) != set(correct) or set(tasks) != set(groups):
        legal = f"of the tasks {', '.join(tasks)}"
        raise refuse("transfer_matrix", "correct, groups", legal, sorted({*correct, *groups}))
    labels = {t: binary_labels("transfer_matrix", f"correct[{t}]", correct[t]) for t in tasks}
    cells, reasons = [], {}
    for name in tasks:
        fitted = _Task(states[name], labels[name], groups[name], rng)
        row: list[float | None] = []
        for scored in tasks:
            try:
                if scored == name:
                    scores = fitted.out_of_fold()
                else:
                    scores = fitted.without(groups[scored]).decision(states[scored])
                row.append(auroc(labels[scored], scores))
            except UndefinedMetricError as undefined:
                row.append(None)
                reasons[f"{name} → {scored}"] = str(undefined)
        cells.append(tuple(row))
    return TransferMatrix(tasks, tuple(cells), reasons)


class _Task:
    """A task to fit on; tasks that share no image with it share one probe."""

    def __init__(
        self,
        hidden: NDArray[np.floating],
        label: BoolArray,
        groups: Labels,
        rng: np.random.Generator,
    ) -> None:
        self.hidden, self.label, self.groups, self.rng = hidden, label, groups, rng
        self.fitted: dict[bytes, FittedProbe] = {}

    def out_of_fold(self) -> FloatArray:
        return cross_fit_probe(self.hidden, self.label, self.groups, rng=self.rng).scores

    def without(self, images: Labels) -> FittedProbe:
        """Fit on the samples whose image is none of these."""
        known = set(images)
        own = np.array([group not in known for group in self.groups], dtype=bool)
        if not own.any():
            raise UndefinedMetricError("the tasks have the same images")
        key = own.tobytes()
        if key not in self.fitted:
            kept = [group for group, keep in zip(self.groups, own, strict=True) if keep]
            self.fitted[key] = fit_probe(self.hidden[own], self.label[own], kept, rng=self.rng)
        return self.fitted[key]
