"""Platt scaling of one score, and its repeated cross-fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.folds import training_folds

RIDGE = 1e-6  # on the slope of the z-scored signal: separable labels have a finite one
N_STEPS = 100
TOLERANCE = 1e-10
FARTHEST = 1e9  # standard deviations; another score than the fitted one may have no float


@dataclass(frozen=True)
class Platt:
    """P(correct) = σ(slope · (s / scale − mean) / spread + offset)."""

    scale: float
    mean: float
    spread: float
    slope: float
    offset: float

    @classmethod
    def fit(cls, score: FloatArray, label: BoolArray) -> Platt:
        """Maximise the likelihood, by Newton's method; both classes must be present."""
        scale = float(np.abs(score).max()) or 1.0  # first: squares of 1e300 have no float
        unit = score / scale
        mean, spread = float(unit.mean()), float(unit.std()) or 1.0
        slope, offset = _newton((unit - mean) / spread, label)
        return cls(scale, mean, spread, slope, offset)

    def probability(self, score: FloatArray) -> FloatArray:
        """P(correct) of each score."""
        with np.errstate(over="ignore"):
            z = np.clip((score / self.scale - self.mean) / self.spread, -FARTHEST, FARTHEST)
        found: FloatArray = expit(self.slope * z + self.offset)
        return found


def averaged_platt(
    score: FloatArray,
    label: BoolArray,
    splits: Sequence[IntArray],
    others: Sequence[FloatArray] = (),
) -> list[FloatArray]:
    """Calibrate each fold by the other ones, mean over splits.

    First comes the score itself, then ``others``, by what was fitted on the score.
    """
    columns = [score, *others]
    found = [np.zeros(label.size) for _ in columns]
    for fold in splits:
        for train, test in training_folds(label, fold):
            model = Platt.fit(score[train], label[train])
            for prob, column in zip(found, columns, strict=True):
                prob[test] += model.probability(column[test])
    return [total / len(splits) for total in found]  # last: a mean of ones is 1


def _newton(z: FloatArray, label: BoolArray) -> tuple[float, float]:
    """Slope and offset; a step that does not help is halved."""
    design = np.stack([z, np.ones(z.size)], axis=1)
    penalty = np.array([RIDGE, 0.0])
    rate = float(label.mean())
    weight = np.array([0.0, np.log(rate / (1 - rate))])
    loss = _loss(design, label, weight)
    for _ in range(N_STEPS):
        prob = expit(design @ weight)
        gradient = design.T @ (prob - label) + penalty * weight
        hessian = (design * (prob * (1 - prob))[:, None]).T @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        while (new := _loss(design, label, weight - step)) > loss + TOLERANCE * abs(loss):
            step /= 2
        weight, loss = weight - step, new
        if np.abs(step).max() < TOLERANCE:
            break
    return float(weight[0]), float(weight[1])


def _loss(design: FloatArray, label: BoolArray, weight: FloatArray) -> float:
    odds = design @ weight
    return float((np.logaddexp(0, odds) - label * odds).sum() + RIDGE * weight[0] ** 2 / 2)
