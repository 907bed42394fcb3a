"""Planned numbers of questions: how often the difference they are planned for is found.

A first run of a few images says how many the next needs; the next is drawn with so many, and the
same test is made. Two signals of one model, six questions an image or one.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from benchmarks.simulations.design import Design
from metrics.comparison.differences import Difference
from metrics.comparison.sample_size import images_for_difference
from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.scores.discrimination import auroc
from metrics.scores.paired_differences import paired_auroc_difference

ALPHA = 0.05


def _draw(
    images: int, per_image: int, shared: float, rng: np.random.Generator
) -> tuple[BoolArray, list[FloatArray], IntArray]:
    """Labels, a better and a worse score of them, and images."""
    group = np.arange(images * per_image) // per_image
    own = np.sqrt(shared) * rng.normal(size=(4, images))[:, group]
    noise = own + np.sqrt(1 - shared) * rng.normal(size=(4, group.size))
    correct: BoolArray = noise[0] > -0.8
    scores = [strength * correct + noise[1] + noise[2 + k] for k, strength in enumerate((1.6, 1.2))]
    return correct, scores, group


@lru_cache(maxsize=8)
def _truth(per_image: int, shared: float) -> float:
    correct, (better, worse), _ = _draw(
        200_000 // per_image, per_image, shared, np.random.default_rng(1)
    )
    return auroc(correct, better) - auroc(correct, worse)


def _difference(images: int, per_image: int, shared: float, rng: np.random.Generator) -> Difference:
    correct, (better, worse), group = _draw(images, per_image, shared, rng)
    return paired_auroc_difference((correct, better), (correct, worse), groups=group)


def _finds(pilot: int, per_image: int, shared: float, rng: np.random.Generator) -> bool:
    first = _difference(pilot, per_image, shared, rng)
    assert first.estimate.stderr is not None
    planned = images_for_difference(
        first.estimate.stderr, pilot, difference=_truth(per_image, shared), alpha=ALPHA
    )
    found = _difference(planned, per_image, shared, rng)
    return found.p_value is not None and found.p_value <= ALPHA


DESIGNS = tuple(
    Design(
        "a difference of AUROCs is found with the questions planned for it",
        f"first run of {pilot} images × {per_image}, {shared:.0%} shared",
        "power",
        0.80,
        0.77,
        partial(_finds, pilot, per_image, shared),
        draws=500,
        note="planned from a first run, which knows its own spread only so well",
    )
    for pilot, per_image, shared in ((300, 1, 0.3), (60, 6, 0.3), (100, 6, 0.6), (100, 6, 0.9))
)
