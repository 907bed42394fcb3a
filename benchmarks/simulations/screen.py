"""Screens of signals, what beats its controls, and self-consistency by the number of samples.

Questions come three to an image, and images differ in how hard they are. Signals of a screen are
correlated, as those of one model are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import islice

import numpy as np

from benchmarks.simulations.design import Design
from leaderboard.results.screen import ALPHA, screen_of
from metrics.card.card import evaluate_card
from metrics.card.consistency_by_k import auroc_by_k
from metrics.comparison.differences import benjamini_hochberg
from metrics.scores.auroc_interval import chance_p_value

PER_IMAGE = 3
POPULATION = 20_000  # images, for a true value to about 0.002
ANSWERS = ("right", "near", "far", "else")


def _images(n_images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, image of each question, and what its image adds to every score."""
    group = np.repeat(np.arange(n_images), PER_IMAGE)
    hardness = rng.normal(size=n_images)[group]
    correct = rng.normal(size=group.size) + 0.6 * hardness > -0.6
    return correct, group, rng.normal(size=n_images)[group]


def _scores(
    correct: np.ndarray, shared: np.ndarray, effect: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Endless signals that all tell alike, nothing at ``effect`` 0; correlated by 0.55."""
    common = rng.normal(size=correct.size) + 0.5 * shared
    while True:
        yield effect * correct + common + rng.normal(size=correct.size)


def _finds_noise(n_images: int, n_signals: int, rng: np.random.Generator) -> bool:
    correct, group, shared = _images(n_images, rng)
    kind = (np.arange(group.size) % PER_IMAGE == 0).astype(np.int64)
    found = [
        chance_p_value(correct, score, kind, group)
        for score in islice(_scores(correct, shared, 0.0, rng), n_signals)
    ]
    return bool(benjamini_hochberg([p for p in found if p is not None]).min() <= ALPHA)


def _beats_equal_controls(
    n_images: int, n_controls: int, effect: float, rng: np.random.Generator
) -> bool:
    """Whether any of eight signals is said to beat controls that tell as much as it."""
    correct, group, shared = _images(n_images, rng)
    scores = _scores(correct, shared, effect, rng)
    card = evaluate_card(
        correct=correct,
        groups=list(map(str, group)),
        kinds=["ab"[i % PER_IMAGE > 0] for i in range(group.size)],
        signals={f"signal {i}": next(scores) for i in range(8)},
        controls={f"control {i}": next(scores) for i in range(n_controls)},
        rng=rng,
    )
    return min(screen_of({"task": card}).beats.values(), default=1.0) <= ALPHA


def _sampled(
    n_images: int, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
    """Labels, images, and k sampled answers of each question: right ones agree more."""
    correct, group, shared = _images(n_images, rng)
    sharpness = 0.3 + 1.2 * correct + 0.5 * shared + rng.normal(size=group.size)
    weight = np.exp(np.outer(sharpness, (2.0, 0.7, 0.3, 0.0)))
    edges = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
    drawn = (rng.random((group.size, k, 1)) > edges[:, None, :]).sum(axis=2)
    names = np.array(ANSWERS)[np.minimum(drawn, len(ANSWERS) - 1)]
    return correct, group, names.tolist()


@lru_cache(maxsize=16)
def _true_auroc(k: int) -> float:
    """AUROC of self-consistency from k samples, among very many images."""
    correct, group, samples = _sampled(POPULATION, k, np.random.default_rng(k))
    return float(dict(auroc_by_k(correct, samples, group))[k].value or 0.0)


def _covers_at_k(n_images: int, k: int, rng: np.random.Generator) -> bool | None:
    correct, group, samples = _sampled(n_images, 10, rng)
    found = dict(auroc_by_k(correct, samples, group))[k]
    if found.low is None or found.high is None:
        return None
    return found.low <= _true_auroc(k) <= found.high


DESIGNS = (
    *(
        Design(
            "any signal found, adjusted p ≤ 0.05",
            f"{n_signals} correlated signals of noise, two kinds, {n_images} images",
            "false alarm",
            0.05,
            0.05,
            partial(_finds_noise, n_images, n_signals),
            draws=600,
        )
        for n_images, n_signals in ((30, 20), (150, 20))
    ),
    *(
        Design(
            "any signal said to beat its controls",
            f"8 signals, controls that tell the same: {n_controls} (effect {effect:g}), "
            f"{n_images} images",
            "false alarm",
            0.05,
            0.05,
            partial(_beats_equal_controls, n_images, n_controls, effect),
            draws=150,
        )
        for n_images, n_controls, effect in (
            (30, 1, 1.0),
            (150, 1, 1.0),
            (150, 3, 1.0),
            (150, 1, 0.0),
        )
    ),
    *(
        Design(
            f"AUROC of self-consistency from {k} samples",
            f"ten samples each, {n_images} images of {PER_IMAGE} questions",
            "coverage",
            0.95,
            0.93,
            partial(_covers_at_k, n_images, k),
            draws=400,
        )
        for n_images in (30, 150)
        for k in (2, 5, 10)
    ),
)
