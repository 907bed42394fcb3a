"""The controls that a card makes itself: what the answer, its kind or the question alone tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metrics._checks import FloatArray, IntArray
from metrics._estimate import Estimate
from metrics._samples import Samples
from metrics._scoring import SignalResult, describe, scored_result, undefined_result
from metrics.controls import category_only_scores, question_only_scores
from metrics.errors import UndefinedMetricError

Control = tuple[SignalResult, FloatArray | None]  # and its scores, if it has any


def control_results(
    samples: Samples, prompts: list[str] | None, rng: np.random.Generator
) -> list[Control]:
    """Return answer_only, kind_only and question_only, as far as their input is there."""
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
    named = describe(name, control=True)
    try:
        scores = category_only_scores(categories, samples.correct, samples.groups, rng=rng)
    except UndefinedMetricError as undefined:
        return undefined_result(named, str(undefined), samples), None
    result = scored_result(named, scores, samples)
    if name == "kind_only":
        constant = Estimate.undefined("constant within every question kind by construction")
        return replace(result, within_kind_auroc=constant, p_value=None), scores
    constant = Estimate.undefined("constant within every given answer by construction")
    return replace(result, within_answer_auroc=constant), scores


def _question_control(prompts: list[str], samples: Samples, rng: np.random.Generator) -> Control:
    named = describe("question_only", control=True)
    try:
        scores = question_only_scores(prompts, samples.correct, samples.groups, rng=rng)
    except UndefinedMetricError as undefined:
        return undefined_result(named, str(undefined), samples), None
    return scored_result(named, scores, samples), scores
