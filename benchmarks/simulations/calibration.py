"""Calibration: probabilities as stated and as calibrated on other images.

Answers about one image share a normal factor (a Gaussian copula), so that each comes true as often
as its probability says. ``ece`` is the true error of the probability that is looked at.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from benchmarks.simulations.design import Design
from metrics.calibration.calibration_error import calibration_error_estimate
from metrics.calibration.differences import (
    paired_brier_difference,
    paired_calibration_error_difference,
)
from metrics.calibration.estimates import CalibrationEstimates, calibration_estimates
from metrics.calibration.miscalibration import miscalibration_test
from metrics.fitting.cross_fitting import calibrated_probabilities, transferred_probabilities
from metrics.scores.bootstrap import Estimate

Floats = NDArray[np.float64]
Shape = tuple[float, float]
Figure = Literal["brier", "brier_skill", "ece"]

USUAL: Shape = (4.0, 0.8)  # 83 % are right, most with a probability above 0.9
SPREAD: Shape = (1.0, 1.0)
PER_IMAGE, WITHIN = 8, 0.1
MARGIN = 0.03
BENT_A_LITTLE, BENT_MUCH = 0.9, 1.75  # so that a fitted curve has an ECE of 0.04, of 0.10
DRIFT = 8.0  # by which log-odds are multiplied


def _questions(rng: np.random.Generator, n_images: int, shape: Shape) -> tuple[Floats, Floats]:
    """Chances of being right, and images."""
    image = np.repeat(np.arange(n_images), PER_IMAGE)
    return np.clip(rng.beta(*shape, size=image.size), 1e-6, 1 - 1e-6), image


def _answers(rng: np.random.Generator, chance: Floats, image: Floats) -> Floats:
    shared, own = rng.normal(size=int(image.max()) + 1)[image], rng.normal(size=image.size)
    return (np.sqrt(WITHIN) * shared + np.sqrt(1 - WITHIN) * own < norm.ppf(chance)).astype(float)


@cache
def _many(shape: Shape) -> Floats:
    return _questions(np.random.default_rng(0), 50_000, shape)[0]


@cache
def _offset(ece: float, shape: Shape) -> float:
    """How much has to be added to log-odds for this ECE, by bisection."""
    low, high = 0.0, 6.0
    for _ in range(40 if ece else 0):
        middle = (low + high) / 2
        if (expit(logit(_many(shape)) + middle) - _many(shape)).mean() < ece:
            low = middle
        else:
            high = middle
    return low


def _stated(chance: Floats, ece: float, shape: Shape) -> Floats:
    stated: Floats = expit(logit(chance) + _offset(ece, shape))
    return stated


@cache
def _true_loss(ece: float, shape: Shape) -> tuple[float, float]:
    """Brier loss of the stated probability, and its skill."""
    chance = _many(shape)
    loss = float(((_stated(chance, ece, shape) - chance) ** 2 + chance * (1 - chance)).mean())
    return loss, 1 - loss / float(chance.mean() * (1 - chance.mean()))


def _covers(found: Estimate, truth: float) -> bool | None:
    return None if found.low is None or found.high is None else found.low <= truth <= found.high


def stated_ece(rng: np.random.Generator, ece: float, n_images: int, shape: Shape) -> bool | None:
    """Whether the interval of the debiased ECE holds the true one."""
    chance, image = _questions(rng, n_images, shape)
    right = _answers(rng, chance, image)
    found = calibration_error_estimate(right, _stated(chance, ece, shape), image)
    return _covers(found.debiased, ece)


def stated_loss(
    rng: np.random.Generator, figure: Figure, ece: float, n_images: int, shape: Shape
) -> bool | None:
    """Whether the interval of the Brier loss, or of its skill, holds the true one."""
    chance, image = _questions(rng, n_images, shape)
    right = _answers(rng, chance, image)
    found = calibration_estimates(right, _stated(chance, ece, shape), image)
    return _covers(getattr(found, figure), _true_loss(ece, shape)[figure == "brier_skill"])


def stated_test(rng: np.random.Generator, ece: float, n_images: int, shape: Shape) -> bool | None:
    """Whether the test refutes calibration."""
    chance, image = _questions(rng, n_images, shape)
    right = _answers(rng, chance, image)
    p = miscalibration_test(right, _stated(chance, ece, shape), image).p_value
    return None if p is None else p < 0.05


def _bent(chance: Floats, bend: float) -> Floats:
    """Chances that no logistic curve of the score can state: high and low scores fail alike."""
    odds = logit(chance)
    bent: Floats = expit(odds - bend * np.abs(odds - 2.0) * (odds > 2.0))
    return bent


def _fitted(
    rng: np.random.Generator, bend: float, n_images: int
) -> tuple[CalibrationEstimates, Floats, Floats]:
    """Figures of a score that was calibrated on other images; its probabilities and chances."""
    seen, image = _questions(rng, n_images, USUAL)
    chance = _bent(seen, bend)
    right = _answers(rng, chance, image)
    prob = calibrated_probabilities(logit(seen), right, image, rng=rng)
    return calibration_estimates(right, prob, image, n_fitted=2), prob, chance


def fitted_figure(
    rng: np.random.Generator, figure: Figure, bend: float, n_images: int
) -> bool | None:
    """Whether an interval holds what these probabilities would show on endless answers to them.

    The skill is relative to the accuracy that was expected.
    """
    found, prob, chance = _fitted(rng, bend, n_images)
    if figure == "ece":
        bin_ = np.minimum((prob * 15).astype(int), 14)
        return _covers(
            found.ece.debiased,
            float(np.abs(np.bincount(bin_, weights=chance - prob)).sum() / prob.size),
        )
    limit = _bent(_many(USUAL), bend)
    loss = float((limit * (1 - limit)).mean())
    truth = loss if figure == "brier" else 1 - loss / float(limit.mean() * (1 - limit.mean()))
    return _covers(getattr(found, figure), truth)


def fitted_test(rng: np.random.Generator, bend: float, n_images: int) -> bool | None:
    """Whether the test of the bend refutes calibration."""
    p = _fitted(rng, bend, n_images)[0].test.p_value
    return None if p is None else p < 0.05


def gate(
    rng: np.random.Generator, figure: Literal["brier", "ece"], factor: float, n_images: int
) -> bool | None:
    """Whether log-odds times a factor are called regressed, by a calibration fitted on OLD."""
    chance, image = _questions(rng, n_images, USUAL)
    odds, old = logit(chance) + 0.5, _answers(rng, chance, image)
    new = np.where(rng.random(image.size) < 0.2, _answers(rng, chance, image), old)
    old_prob, new_prob = transferred_probabilities(odds, old, factor * odds, image, rng=rng)
    change = paired_brier_difference if figure == "brier" else paired_calibration_error_difference
    low = change((new, new_prob), (old, old_prob), groups=image).estimate.low
    return None if low is None else low > (MARGIN if figure == "ece" else 0.0)


def difference(
    rng: np.random.Generator, old: float, new: float, n_images: int, shape: Shape
) -> bool | None:
    """Whether the interval of a difference of debiased ECEs holds the true one."""
    chance, image = _questions(rng, n_images, shape)
    first = _answers(rng, chance, image)
    second = np.where(rng.random(image.size) < 0.3, _answers(rng, chance, image), first)
    pairs = ((second, _stated(chance, new, shape)), (first, _stated(chance, old, shape)))
    return _covers(paired_calibration_error_difference(*pairs, groups=image).estimate, new - old)


def _stated_designs() -> list[Design]:
    found = []
    cells = [(ece, 125, USUAL, 0.93) for ece in (0.0, 0.04, 0.10)]
    cells += [(ece, 30, USUAL, 0.93) for ece in (0.0, 0.04, 0.10)]
    cells += [(0.04, 125, SPREAD, 0.93)]
    for ece, n_images, shape, goal in cells:
        found.append(
            Design(
                "debiased ECE",
                f"stated, true ECE {ece:.2f}, {_size(n_images, shape)}",
                "coverage",
                0.95,
                goal,
                partial(stated_ece, ece=ece, n_images=n_images, shape=shape),
            )
        )
    names: tuple[tuple[Figure, str], ...] = (("brier", "Brier"), ("brier_skill", "Brier skill"))
    for figure, name in names:
        for ece, n_images in ((0.0, 125), (0.10, 125), (0.0, 30)):
            found.append(
                Design(
                    name,
                    f"stated, true ECE {ece:.2f}, {_size(n_images, USUAL)}",
                    "coverage",
                    0.95,
                    0.93,
                    partial(stated_loss, figure=figure, ece=ece, n_images=n_images, shape=USUAL),
                    draws=400,
                )
            )
    return found


def _test_designs() -> list[Design]:
    found = []
    for n_images in (125, 30):
        data = f"calibrated, {_size(n_images, USUAL)}"
        draw = partial(stated_test, ece=0.0, n_images=n_images, shape=USUAL)
        found.append(Design("test of calibration", data, "false alarm", 0.05, 0.06, draw))
    draw = partial(stated_test, ece=0.05, n_images=125, shape=USUAL)
    data = f"true ECE 0.05, {_size(125, USUAL)}"
    found.append(Design("test of calibration", data, "power", 0.80, 0.80, draw))
    return found


def _fitted_designs() -> list[Design]:
    found = []
    cells: tuple[tuple[Figure, str, float, str], ...] = (
        ("ece", "debiased ECE", 0.0, "0.00"),
        ("ece", "debiased ECE", BENT_A_LITTLE, "0.04"),
        ("ece", "debiased ECE", BENT_MUCH, "0.10"),
        ("brier", "Brier", 0.0, "0.00"),
        ("brier_skill", "Brier skill", 0.0, "0.00"),
    )
    for figure, name, bend, ece in cells:
        draw = partial(fitted_figure, figure=figure, bend=bend, n_images=125)
        data = f"calibrated on other images, true ECE {ece}, {_size(125, USUAL)}"
        found.append(Design(name, data, "coverage", 0.95, 0.93, draw, draws=250))
    draw = partial(fitted_test, bend=0.0, n_images=125)
    data = f"calibrated on other images, {_size(125, USUAL)}"
    test = Design("test of calibration", data, "false alarm", 0.05, 0.06, draw, draws=300)
    return [*found, test]


def _gate_designs() -> list[Design]:
    found = []
    for old, new in ((0.0, 0.0), (0.0, 0.10), (0.04, 0.10)):
        draw = partial(difference, old=old, new=new, n_images=125, shape=USUAL)
        data = f"stated, true ECE {old:.2f} and {new:.2f}, {_size(125, USUAL)}"
        note = "limits of a difference from those of its parts: too wide rather than too short"
        found.append(Design("difference of ECEs", data, "coverage", 0.95, 0.93, draw, 300, note))
    for figure, beyond in (("ece", f"beyond {MARGIN}"), ("brier", "worse")):
        for factor in (1.0, DRIFT):
            draw = partial(gate, figure=figure, factor=factor, n_images=125)
            quantity = f"{'ECE' if figure == 'ece' else 'Brier'} gate, {beyond}"
            data = f"log-odds times {factor:g}, calibrated on OLD, {_size(125, USUAL)}"
            if factor == 1:
                one = Design(quantity, data, "false alarm", 0.025, 0.035, draw, draws=150)
            else:
                one = Design(quantity, data, "power", 0.80, 0.80, draw, draws=150)
            found.append(one)
    return found


def _size(n_images: int, shape: Shape) -> str:
    spread = ", probabilities spread out" if shape == SPREAD else ""
    return f"{n_images * PER_IMAGE} answers, {n_images} images{spread}"


DESIGNS = (*_stated_designs(), *_test_designs(), *_fitted_designs(), *_gate_designs())
