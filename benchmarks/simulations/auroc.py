"""AUROC, accuracy, and what else one ranking tells.

True values other than AUROC and accuracy are those of 320,000 answers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from benchmarks.simulations._worlds import Answers, population
from benchmarks.simulations.design import Design
from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.core.estimate import Estimate
from metrics.core.proportions import proportion_estimate
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import auroc_estimate
from metrics.scores.correlation import point_biserial, point_biserial_estimate
from metrics.scores.discrimination import error_average_precision
from metrics.scores.ranking_estimates import ranking_estimates
from metrics.scores.risk_coverage import aurc, e_aurc, prr
from metrics.scores.selective import augrc
from metrics.scores.selective_estimates import selective_estimates

GOAL = 0.93
HIGH = tuple(Answers(30, 8, 32 / 240, 0.993, shared) for shared in (0.01, 0.3, 0.6))
USUAL = tuple(Answers(125, 8, 0.3, auroc) for auroc in (0.5, 0.7, 0.9))
FEW = tuple(Answers(images, 8, 0.3, 0.75) for images in (6, 10, 15, 30))
FEW_ERRORS = tuple(Answers(images, 8, 0.15, 0.9) for images in (10, 15, 30))
RARE = (Answers(125, 8, 0.032, 0.99), Answers(500, 2, 0.032, 0.99))
ALONE = Answers(500, 1, 0.3, 0.8)
COVERED = (
    Answers(125, 8, 0.12, 0.97),
    Answers(125, 8, 0.2, 0.95),
    Answers(125, 8, 0.2, 0.95, step=1.5),
    Answers(30, 8, 0.3, 0.8),
    ALONE,
)
SHARES = (
    *(Answers(images, 8, 0.3, 0.5) for images in (6, 10, 15, 30)),
    Answers(16, 8, 0.1, 0.5),
    Answers(125, 8, 0.03, 0.5),
)

Data = tuple[BoolArray, FloatArray, IntArray]
Figure = Callable[[Data, np.random.Generator], Estimate]
Truth = Callable[[Answers], float]


def _auroc(data: Data, _: np.random.Generator) -> Estimate:
    return auroc_estimate(data[0], data[1], groups=data[2])


def _within_kind(data: Data, _: np.random.Generator) -> Estimate:
    correct, score, image = data
    kinds = np.arange(score.size) % 2
    return auroc_estimate(correct, score + 2 * kinds, groups=image, kinds=kinds)


def _accuracy(data: Data, _: np.random.Generator) -> Estimate:
    return proportion_estimate(data[0], data[2])


def _correlation(data: Data, _: np.random.Generator) -> Estimate:
    return point_biserial_estimate(data[0], data[1], groups=data[2])


def _ranking(name: str, data: Data, _: np.random.Generator) -> Estimate:
    found: Estimate = getattr(ranking_estimates(*data, level=0.95), name)
    return found


def _accuracy_at(name: str, data: Data, rng: np.random.Generator) -> Estimate:
    found: Estimate = getattr(selective_estimates(*data, rng=rng), name)
    return found


@lru_cache(maxsize=256)
def _of_population(figure: Callable[..., float], answers: Answers) -> float:
    return figure(*population(answers))


def _kept_accuracy(coverage: float, answers: Answers) -> float:
    correct, score = population(answers)
    return float(correct[score >= np.quantile(score, 1 - coverage)].mean())


def _covers(
    figure: Figure, truth: Truth, answers: Answers, rng: np.random.Generator
) -> bool | None:
    data = answers.draw(rng)
    try:
        found = figure(data, rng)
    except UndefinedMetricError:
        return None
    if found.low is None or found.high is None:
        return None
    return found.low <= truth(answers) <= found.high


def _designs(
    quantity: str,
    figure: Figure,
    truth: Truth,
    worlds: tuple[Answers, ...],
    draws: int = 1000,
    *,
    goal: float = GOAL,
    note: str = "",
) -> tuple[Design, ...]:
    found = []
    for world in worlds:
        draw = partial(_covers, figure, truth, world)
        found.append(Design(quantity, str(world), "coverage", 0.95, goal, draw, draws, note))
    return tuple(found)


def _true_auroc(answers: Answers) -> float:
    return answers.auroc


def _true_accuracy(answers: Answers) -> float:
    return 1 - answers.error_rate


SAID = "the interval says so: an error unlike all seen may come"
KINDS = (Answers(125, 8, 0.3, 0.7, easier=1.0), Answers(30, 8, 0.3, 0.9, easier=0.5))
RANKED = (HIGH[1], FEW_ERRORS[0], Answers(125, 8, 0.1, 0.9), USUAL[0])
FIGURES: tuple[tuple[str, str, Callable[..., float]], ...] = (
    ("AP of errors", "error_average_precision", error_average_precision),
    ("PRR", "prr", prr),
    ("AURC", "aurc", aurc),
    ("E-AURC", "e_aurc", e_aurc),
    ("AUGRC", "augrc", augrc),
)

DESIGNS: tuple[Design, ...] = (
    *_designs("AUROC", _auroc, _true_auroc, (*HIGH, *USUAL, *FEW, *FEW_ERRORS)),
    *_designs("AUROC", _auroc, _true_auroc, RARE, goal=0.88, note=SAID),
    *_designs(
        "PRR",
        partial(_ranking, "prr"),
        partial(_of_population, prr),
        RARE[:1],
        600,
        goal=0.85,
        note=SAID,
    ),
    *_designs("AUROC in kind", _within_kind, _true_auroc, KINDS),
    *(
        design
        for quantity, name, figure in FIGURES
        for design in _designs(
            quantity, partial(_ranking, name), partial(_of_population, figure), RANKED, 600
        )
    ),
    *_designs(
        "point-biserial R",
        _correlation,
        partial(_of_population, point_biserial),
        (FEW[1], HIGH[1], USUAL[1]),
    ),
    *_designs("accuracy", _accuracy, _true_accuracy, SHARES),
    *(
        design
        for percent in (80, 90)
        for design in _designs(
            f"accuracy at {percent} % coverage",
            partial(_accuracy_at, f"accuracy_at_{percent}"),
            partial(_kept_accuracy, percent / 100),
            COVERED,
            600,
        )
    ),
)
