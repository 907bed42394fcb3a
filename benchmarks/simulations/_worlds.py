"""Data sets with a known truth, for several topics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.stats import norm

from metrics.core.checks import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Answers:
    """Right and wrong answers to questions about images, and a score for them.

    Correctness comes from a normal variable, the score is normal in either class; ``shared`` is the
    part of both variances that answers about one image have in common. ``auroc`` is of answers
    about different images. ``easier`` is added to the variable of every second question, so that
    kinds of questions differ. Scores are rounded to multiples of ``step``, if that is not 0.
    """

    images: int
    per_image: int
    error_rate: float
    auroc: float
    shared: float = 0.3
    easier: float = 0.0
    step: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[BoolArray, FloatArray, IntArray]:
        """Labels, scores and images."""
        index = np.arange(self.images * self.per_image)
        image = index // self.per_image
        own = np.sqrt(self.shared) * rng.normal(size=(2, self.images))[:, image]
        noise = own + np.sqrt(1 - self.shared) * rng.normal(size=(2, image.size))
        threshold = norm.ppf(self.error_rate) - self.easier * (index % 2)
        correct: BoolArray = noise[0] > threshold
        score = noise[1] + np.sqrt(2) * norm.ppf(self.auroc) * correct
        return correct, np.round(score / self.step) if self.step else score, image

    def __str__(self) -> str:
        """Return the row's text."""
        errors = self.images * self.per_image * self.error_rate
        return (
            f"{self.images} images × {self.per_image}, {errors:.0f} errors, AUROC {self.auroc:g}, "
            f"{self.shared:.0%} shared{', tied scores' if self.step else ''}"
        )


@lru_cache(maxsize=64)
def population(answers: Answers) -> tuple[BoolArray, FloatArray]:
    """Labels and scores of so many images that they stand for the truth."""
    correct, score, _ = replace(answers, images=40_000).draw(np.random.default_rng(2026))
    return correct, score
