"""Scores that were fitted on labels: probes, fusion, what the answer alone tells.

The truth is what the whole cross-fit gives on average on new data of this size, 0.5 on noise. It
was drawn beforehand with other seeds (`expected_auroc`) and stands here as a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import norm

from benchmarks.simulations.design import Design
from metrics.core.clustered import auroc_influence, clustered_stderr, t_interval, t_p_value
from metrics.core.folds import balanced_folds
from metrics.fitting.controls import category_only_scores
from metrics.fitting.fit_spread import FitSpread
from metrics.fitting.logistic import fused_by_fold
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.only_scores import category_columns, labels_and_permutations, p_of_columns
from metrics.fitting.repeats import reported_repeat
from metrics.states.probes import cross_fit_probe

N_IMAGES, PER_IMAGE, ACCURACY = 75, 4, 0.7
GROUP = np.repeat(np.arange(N_IMAGES), PER_IMAGE)
LAYERS, DIMENSIONS, N_SIGNALS, N_ANSWERS = 3, 24, 6, 3
REPEATS = 10
DATA = f"{N_IMAGES} images of {PER_IMAGE}"

# labels, scores of the repeat in the middle, and what fitting adds
Fitted = tuple[np.ndarray, np.ndarray, FitSpread | None]


@dataclass(frozen=True)
class Procedure:
    """A cross-fit, the AUROC that it reaches at some shifts, and how often to draw it.

    ``draw`` takes a generator, the shift, the number of repeats and the labels.
    """

    name: str
    draw: Callable[[np.random.Generator, float, int, np.ndarray], Fitted]
    truth: dict[float, float]
    draws: int


def _shared(rng: np.random.Generator, *shape: int, share: float = 0.5) -> np.ndarray:
    """Gaussian, part of it of the image."""
    image, own = rng.normal(size=(N_IMAGES, *shape)), rng.normal(size=(GROUP.size, *shape))
    found: np.ndarray = math.sqrt(share) * image[GROUP] + math.sqrt(1 - share) * own
    return found


def _labels(rng: np.random.Generator) -> np.ndarray:
    found: np.ndarray = _shared(rng, share=0.3) < norm.ppf(ACCURACY)
    return found


def _probe(rng: np.random.Generator, shift: float, repeats: int, y: np.ndarray) -> Fitted:
    states = _shared(rng, LAYERS, DIMENSIONS)
    states[:, :, 0] += shift * y[:, None] * np.linspace(0, 1, LAYERS)
    found = cross_fit_probe(states, y, GROUP, rng=rng, n_repeats=repeats)
    return y, found.scores, found.fit


def _fusion(rng: np.random.Generator, shift: float, repeats: int, y: np.ndarray) -> Fitted:
    signals = _shared(rng, N_SIGNALS)
    signals[:, 0] += shift * y
    folds = [balanced_folds(y, GROUP, n_folds=5, rng=rng) for _ in range(repeats)]
    scores = [fused_by_fold(signals, y, fold, c=1.0)[0] for fold in folds]
    chosen, fit = reported_repeat(y, scores)
    return y, scores[chosen], fit


def _answer_only(rng: np.random.Generator, shift: float, repeats: int, y: np.ndarray) -> Fitted:
    given = norm.cdf(rng.normal(size=y.size) + shift * (y - ACCURACY))
    answers = np.floor(N_ANSWERS * given).astype(int)
    scores = [category_only_scores(answers, y, GROUP, rng=rng) for _ in range(repeats)]
    chosen, fit = reported_repeat(y, scores)
    return y, scores[chosen], fit


PROBE = Procedure("L2 probe", _probe, {0.0: 0.5, 0.42: 0.5355, 0.82: 0.6353, 1.52: 0.8099}, 150)
FUSION = Procedure("fusion", _fusion, {0.0: 0.5, 0.25: 0.5295, 0.59: 0.6288, 1.29: 0.8000}, 200)
ANSWER = Procedure(
    "answer only", _answer_only, {0.0: 0.5, 0.21: 0.5330, 0.59: 0.6350, 1.43: 0.8009}, 600
)


def expected_auroc(procedure: Procedure, shift: float, *, draws: int) -> float:
    """Mean AUROC of the procedure: one split a draw has the same mean as the reported one."""
    rng = np.random.default_rng(20251)
    found = [procedure.draw(rng, shift, 1, _labels(rng)) for _ in range(draws)]
    return float(np.mean([auroc_columns(y, scores[:, None])[0] for y, scores, _ in found]))


def covers(rng: np.random.Generator, procedure: Procedure, shift: float) -> bool | None:
    """Whether the printed interval holds the truth."""
    y, scores, fit = procedure.draw(rng, shift, REPEATS, _labels(rng))
    value, influence = auroc_influence(y, scores, np.zeros(y.size, np.int64))
    if fit is None or not 0 < value < 1:
        return None
    stderr = math.hypot(clustered_stderr(influence, GROUP), fit.stderr)
    low, high = t_interval(value, stderr, N_IMAGES - 1, level=0.95, scale="logit")
    return low <= procedure.truth[shift] <= high


def differ(rng: np.random.Generator, procedure: Procedure, shift: float) -> bool | None:
    """Whether two equal models, each with a fit of its own, differ at 0.05."""
    y = _labels(rng)
    values, influences, variance = [], [], 0.0
    for _ in range(2):
        _, scores, fit = procedure.draw(rng, shift, REPEATS, y)
        if fit is None:
            return None
        value, influence = auroc_influence(y, scores, np.zeros(y.size, np.int64))
        values.append(value)
        influences.append(influence)
        variance += fit.stderr**2
    stderr = math.hypot(clustered_stderr(influences[0] - influences[1], GROUP), math.sqrt(variance))
    return t_p_value(values[0] - values[1], stderr, N_IMAGES - 1) <= 0.05


def probe_finds(rng: np.random.Generator) -> bool | None:
    """Whether a probe on noise has a permutation p of 0.1 or less."""
    y, states = _labels(rng), _shared(rng, 2, 12)
    found = cross_fit_probe(states, y, GROUP, rng=rng, n_repeats=4, n_shuffles=19, Cs=(1e-3, 0.1))
    return None if found.fit is None or found.fit.p is None else found.fit.p <= 0.1


def answer_finds(rng: np.random.Generator) -> bool:
    """Whether answers that know nothing have a permutation p of 0.1 or less."""
    labels, fold = labels_and_permutations(_labels(rng), GROUP, rng, n_folds=5)
    answers = rng.integers(0, N_ANSWERS, GROUP.size)
    return p_of_columns(labels, lambda own: category_columns(answers, own, fold)) <= 0.1


DESIGNS = (
    *(
        Design(
            f"AUROC of a cross-fitted score ({p.name})", f"{DATA}, true AUROC {truth:.2f}",
            "coverage", 0.95, 0.93, partial(covers, procedure=p, shift=shift), p.draws,
        )
        for p in (PROBE, FUSION, ANSWER)
        for shift, truth in p.truth.items()
    ),
    *(
        Design(
            f"difference of two equal models ({p.name})", f"{DATA}, true AUROC {truth:.2f}",
            "false alarm", 0.05, 0.06, partial(differ, procedure=p, shift=shift), p.draws,
        )
        for p in (PROBE, FUSION)
        for shift, truth in p.truth.items()
        if truth < 0.7
    ),
    Design(
        "permutation p <= 0.1 of a probe", f"{DATA}, nothing to find", "false alarm", 0.1, 0.1,
        probe_finds, 150, "conservative: the reported figure is a mean of splits",
    ),
    Design(
        "permutation p <= 0.1 of the answer alone", f"{DATA}, nothing to find", "false alarm", 0.1,
        0.1, answer_finds, 300,
    ),
)  # fmt: skip
