"""Pairs of runs, and sweeps, whose true difference is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import norm

from leaderboard.runs.read import Run
from metrics.record.records import RunManifest, SampleRecord
from metrics.robustness.dose_response import DoseResponse

TASK, SIGNAL = "task", "token_confidence"
STRENGTH = 1.5  # standard deviations of the signal between right and wrong answers
AREA = float(norm.cdf(STRENGTH / np.sqrt(2)))  # its AUROC


@dataclass(frozen=True)
class Pair:
    """Two models on the same questions.

    A question is as hard for both as ``shared`` (a correlation) says, and questions of one image
    as ``within`` says. The new model loses ``lost`` of the accuracy, the share ``whole`` of it by
    images all of whose answers turn wrong, and ``lost_signal`` of the AUROC, either everywhere or
    by ``collapsed`` images whose right answers become the least sure.
    """

    images: int
    answers: int = 8
    accuracy: float = 0.7
    lost: float = 0.0
    lost_signal: float = 0.0
    collapsed: bool = False
    shared: float = 0.8
    within: float = 0.3
    whole: float = 0.0


def drawn(pair: Pair, rng: np.random.Generator) -> tuple[Run, Run]:
    """Draw both runs."""
    n = pair.images * pair.answers
    image = np.repeat(np.arange(pair.images), pair.answers)
    ability, noise = (_correlated(pair, image, rng) for _ in range(2))
    wrong = rng.random(pair.images) < pair.whole * pair.lost / pair.accuracy
    unsure = rng.random(pair.images) < pair.collapsed * pair.lost_signal / AREA
    runs = []
    for side in (0, 1):
        right = pair.accuracy - side * pair.lost * (1 - pair.whole)
        correct = (ability[side] < norm.ppf(right)) & ~((side == 1) & wrong[image])
        strength = STRENGTH
        if side and not pair.collapsed:
            strength = np.sqrt(2) * norm.ppf(AREA - pair.lost_signal)
        score = strength * correct + noise[side]
        score = np.where((side == 1) & unsure[image] & correct, -10 + noise[side], score)
        records = tuple(
            replace(r, correct=int(c), score=float(c), signals={SIGNAL: -float(np.exp(-s))})
            for r, c, s in zip(_blank(n, pair.answers), correct, score, strict=True)
        )
        runs.append(Run(Path(str(side)), _manifest(n), records))
    return runs[0], runs[1]


def _correlated(pair: Pair, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two standard normals per question, correlated between models and within images."""
    both, *own = (
        np.sqrt(weight)
        * (
            np.sqrt(pair.within) * rng.normal(size=pair.images)[image]
            + np.sqrt(1 - pair.within) * rng.normal(size=image.size)
        )
        for weight in (pair.shared, 1 - pair.shared, 1 - pair.shared)
    )
    return np.stack([both + part for part in own])


@cache
def _blank(n: int, answers: int) -> tuple[SampleRecord, ...]:
    empty = {"prompt": "", "answer": "", "target": None, "samples": [], "layers": {}, "missing": {}}
    empty |= {"normal_answer": "", "normal_samples": []}
    rest = {"grid": None, "n_answer_tokens": None, "shard": None, "row": None, "split": "test"}
    return tuple(
        SampleRecord(
            task=TASK, doc_id=str(i), group=str(i // answers), kind="all", score=None, correct=None,
            signals={}, **empty, **rest,  # type: ignore[arg-type]
        )
        for i in range(n)
    )  # fmt: skip


@cache
def _manifest(n: int) -> RunManifest:
    return RunManifest("", {"name": ""}, {TASK: {"n_samples": n}}, {}, {}, [])


@dataclass(frozen=True)
class Sweep:
    """A sweep of an ablation at two doses; the share ``lost`` of the right answers turns wrong."""

    images: int
    answers: int = 4
    accuracy: float = 0.7
    lost: float = 0.0
    whole: bool = False

    def draw(self, rng: np.random.Generator, clean: np.ndarray) -> DoseResponse:
        """Outcomes under ablation, by answer or by whole image."""
        if self.whole:
            gone = np.repeat(rng.random(self.images) < self.lost, self.answers)
        else:
            gone = rng.random(clean.size) < self.lost
        after = clean * ~gone
        return DoseResponse(np.array([0.1, 0.5]), np.stack([after, after], axis=1), clean)

    def clean(self, rng: np.random.Generator) -> np.ndarray:
        """Outcomes without."""
        hard = np.repeat(rng.normal(size=self.images), self.answers)
        return (0.5 * hard + 0.87 * rng.normal(size=hard.size) < norm.ppf(self.accuracy)) * 1.0

    @property
    def groups(self) -> list[str]:
        """Image of each answer."""
        return [str(i // self.answers) for i in range(self.images * self.answers)]
