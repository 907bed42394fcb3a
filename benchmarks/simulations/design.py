"""One simulated situation, and how often what we print was right in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metrics.core.proportions import wilson_interval

Kind = Literal["coverage", "false alarm", "power"]


@dataclass(frozen=True)
class Design:
    """A situation to draw many times.

    ``draw`` makes one data set and says whether the interval covered the true value ("coverage")
    or the verdict was given ("false alarm", "power"); None where the product prints no figure. It
    must be a module-level function (or a partial of one), so that worker processes can call it.
    ``goal`` is the rate to reach: at least it for coverage and power, at most it for false alarms.
    ``note`` stands beside the rate where the goal cannot be reached.
    """

    quantity: str
    data: str
    kind: Kind
    nominal: float
    goal: float
    draw: Callable[[np.random.Generator], bool | None]
    draws: int = 1000
    note: str = ""

    def seed(self, index: int) -> np.random.Generator:
        """Generator of one draw: the same for every run and any number of processes."""
        digest = hashlib.sha256(f"{self.quantity}|{self.data}|{index}".encode()).digest()
        return np.random.default_rng(list(digest[:8]))


@dataclass(frozen=True)
class Outcome:
    """How often a design said yes, of how many draws in which it said anything."""

    design: Design
    yes: int
    answered: int
    drawn: int

    @property
    def rate(self) -> float:
        """Share of yes among the draws that gave a figure."""
        return self.yes / self.answered if self.answered else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the rate: what the number of draws can tell."""
        return wilson_interval(self.yes, self.answered) if self.answered else (0.0, 1.0)

    @property
    def misses_goal(self) -> bool:
        """Whether the goal is refuted by these draws, not merely unmet by chance."""
        low, high = self.interval
        return (
            low > self.design.goal if self.design.kind == "false alarm" else high < self.design.goal
        )


def outcome_of(design: Design, *, draws: int | None = None) -> Outcome:
    """Draw a design in this process."""
    n = design.draws if draws is None else draws
    answers = [design.draw(design.seed(i)) for i in range(n)]
    answered = [answer for answer in answers if answer is not None]
    return Outcome(design, sum(map(bool, answered)), len(answered), n)
