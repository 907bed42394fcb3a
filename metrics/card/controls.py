"""The controls that a card makes itself: what the answer, its kind or the question alone tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from metrics.card.fitted_interval import with_fit
from metrics.card.samples import N_FOLDS, Samples
from metrics.card.scoring import SignalResult, describe, scored_result, undefined_result
from metrics.core.checks import FloatArray, IntArray
from metrics.core.estimate import Estimate
from metrics.errors import UndefinedMetricError
from metrics.fitting.controls import category_only_scores, question_only_scores
from metrics.fitting.only_scores import (
    category_columns,
    labels_and_permutations,
    p_of_columns,
    word_columns,
    words_of,
)
from metrics.fitting.repeats import reported_repeat

N_REPEATS = 10

Control = tuple[SignalResult, FloatArray | None]  # and its scores, if it has any


def control_results(
    samples: Samples, prompts: list[str] | None, rng: np.random.Generator
) -> list[Control]:
    """Return answer_only, kind_only and question_only, as far as their input is there.

    Each is cross-fitted on several splits: the one in the middle is reported, with an interval
    about all of them, and with a permutation p.
    """
    found = []
    if samples.answers is not None:
        found.append(_category_control("answer_only", samples.answers, samples, rng))
    if np.unique(samples.kinds).size > 1:
        found.append(_category_control("kind_only", samples.kinds, samples, rng))
    if prompts is not None:
        found.append(_question_control(prompts, samples, rng))
    return found


def _category_control(
    name: str, categories: IntArray, samples: Samples, rng: np.random.Generator
) -> Control:
    def draw() -> FloatArray:
        return category_only_scores(categories, samples.correct, samples.groups, rng=rng)

    def permutation_p() -> float:
        labels, fold = _permuted(samples, rng)
        return p_of_columns(labels, lambda own: category_columns(categories, own, fold))

    result, scores = _repeated(name, draw, permutation_p, samples)
    if scores is None:
        return result, None
    if name == "kind_only":
        constant = Estimate.undefined("constant within every question kind by construction")
        return replace(result, within_kind_auroc=constant, p_value=None), scores
    constant = Estimate.undefined("constant within every given answer by construction")
    return replace(result, within_answer_auroc=constant), scores


def _question_control(prompts: list[str], samples: Samples, rng: np.random.Generator) -> Control:
    def draw() -> FloatArray:
        return question_only_scores(prompts, samples.correct, samples.groups, rng=rng)

    def permutation_p() -> float:
        labels, fold = _permuted(samples, rng)
        words = words_of(prompts)
        return p_of_columns(labels, lambda own: word_columns(words, own, fold))

    return _repeated("question_only", draw, permutation_p, samples)


def _permuted(samples: Samples, rng: np.random.Generator) -> tuple[np.ndarray, IntArray]:
    return labels_and_permutations(samples.correct, samples.groups, rng, n_folds=N_FOLDS)


def _repeated(
    name: str,
    draw: Callable[[], FloatArray],
    permutation_p: Callable[[], float],
    samples: Samples,
) -> Control:
    named = describe(name, control=True)
    try:
        drawn = [draw() for _ in range(N_REPEATS)]
    except UndefinedMetricError as undefined:
        return undefined_result(named, str(undefined), samples), None
    chosen, spread = reported_repeat(
        samples.correct, drawn, kinds=samples.kinds, answers=samples.answers
    )
    result = scored_result(named, drawn[chosen], samples)
    if spread is not None:
        result = with_fit(result, replace(spread, p=permutation_p()))
    return result, drawn[chosen]
