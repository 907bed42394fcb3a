"""Sweeps of an intervention, most of them on few images.

An answer is right at a dose where a normal variable exceeds the dose's threshold; half of its
variance belongs to the question whatever the dose, the rest is drawn anew at each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import norm

from benchmarks.simulations.design import Design
from metrics.core.checks import IntArray
from metrics.core.proportions import proportion_estimate
from metrics.robustness.curves import control_gap, dose_at_drop, robustness_area
from metrics.robustness.dose_response import DoseResponse, answer_flips

GOAL = 0.93
DOSES = np.array([0.1, 0.3, 0.5, 0.7])


@dataclass(frozen=True)
class Sweep:
    """Accuracy without intervention and at each of `DOSES`, of so many images × 8 questions."""

    images: int
    name: str
    accuracy: tuple[float, ...]
    shared: float = 0.2
    per_image: int = 8

    def draw(self, rng: np.random.Generator) -> tuple[DoseResponse, IntArray]:
        """One sweep."""
        image = np.arange(self.images * self.per_image) // self.per_image
        own = np.sqrt(self.shared) * rng.normal(size=self.images)[image]
        own = own + np.sqrt(0.5 - self.shared) * rng.normal(size=image.size)
        noise = np.sqrt(0.5) * rng.normal(size=(image.size, len(self.accuracy)))
        right = (own[:, None] + noise < norm.ppf(self.accuracy)).astype(np.float64)
        return DoseResponse(DOSES, right[:, 1:], right[:, 0]), image

    def area(self) -> float:
        """True area."""
        x = np.append(0.0, DOSES)
        return float(np.trapezoid(self.accuracy, x) / (x[-1] * self.accuracy[0]))

    def dose(self) -> float:
        """True dose at a fall by 0.05."""
        fallen = self.accuracy[0] - np.array(self.accuracy)
        return float(np.interp(0.05, fallen, np.append(0.0, DOSES)))

    def __str__(self) -> str:
        """Return the row's text."""
        return f"{self.images} images × {self.per_image}, {self.name}"


def _area(sweep: Sweep, rng: np.random.Generator) -> bool | None:
    response, image = sweep.draw(rng)
    found = robustness_area(response, groups=image)
    if found.low is None or found.high is None:
        return None
    return found.low <= sweep.area() <= found.high


def _dose(sweep: Sweep, rng: np.random.Generator) -> bool | None:
    response, image = sweep.draw(rng)
    found = dose_at_drop(response, groups=image)
    if found.reason is not None:
        return None
    low, high = (np.inf if end is None else end for end in (found.low, found.high))
    return bool(low <= sweep.dose() <= high)


def _accuracy(sweep: Sweep, rng: np.random.Generator) -> bool | None:
    response, image = sweep.draw(rng)
    found = proportion_estimate(response.correct[:, 1], image)
    return (
        found.low is not None
        and found.high is not None
        and (found.low <= sweep.accuracy[2] <= found.high)
    )


def _drop(sweep: Sweep, rng: np.random.Generator) -> bool | None:
    response, image = sweep.draw(rng)
    untouched = np.repeat(response.clean[:, None], DOSES.size, axis=1)
    found = control_gap(response, DoseResponse(DOSES, untouched, response.clean), groups=image)[1]
    truth = sweep.accuracy[2] - sweep.accuracy[0]
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def _lost(sweep: Sweep, rng: np.random.Generator) -> bool | None:
    response, image = sweep.draw(rng)
    found = answer_flips(response, groups=image)[1].lost
    return (
        found.low is not None
        and found.high is not None
        and bool(found.low <= _lost_share(sweep) <= found.high)
    )


def _lost_share(sweep: Sweep) -> float:
    """Chance that an answer is right without and wrong at the second dose."""
    before, after = (norm.ppf(sweep.accuracy[i]) for i in (0, 2))
    own, weight = np.polynomial.hermite_e.hermegauss(80)
    own = np.sqrt(0.5) * own
    right, wrong = norm.cdf((before - own) / np.sqrt(0.5)), norm.sf((after - own) / np.sqrt(0.5))
    return float((weight * right * wrong).sum() / weight.sum())


FALLING = (0.8, 0.78, 0.72, 0.62, 0.45)
CLIFF = (0.9, 0.88, 0.6, 0.3, 0.1)
MILD = (0.95, 0.945, 0.93, 0.91, 0.88)
SWEEPS = (
    *(Sweep(images, "falling", FALLING) for images in (6, 10, 16, 30, 125)),
    *(Sweep(images, "cliff", CLIFF) for images in (6, 10, 16, 30)),
    *(Sweep(images, "mild", MILD) for images in (16, 125)),
    Sweep(100, "falling", FALLING, 0.0, 1),
)

Draw = Callable[[Sweep, np.random.Generator], bool | None]
FIGURES: tuple[tuple[str, Draw, tuple[Sweep, ...]], ...] = (
    ("area of a sweep", _area, SWEEPS),
    ("dose at −5 points", _dose, SWEEPS),
    ("accuracy at a dose", _accuracy, SWEEPS[:4]),
    ("gap at a dose", _drop, SWEEPS[:4]),
    ("answers lost at a dose", _lost, SWEEPS[:4]),
)

DESIGNS: tuple[Design, ...] = tuple(
    Design(quantity, str(sweep), "coverage", 0.95, GOAL, partial(draw, sweep))
    for quantity, draw, sweeps in FIGURES
    for sweep in sweeps
)
