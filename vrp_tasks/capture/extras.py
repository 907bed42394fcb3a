"""Detectors that take passes of their own: who makes their channels, and which were asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from metrics.record.channels import (
    Channel,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    CoreHidden,
    NeuronContributions,
    Perturbed,
    PerturbedState,
    SampleTokens,
    TokenAlternatives,
    TruthAsked,
    TruthAskedWithSamples,
)
from metrics.record.observation import Absent
from vrp_tasks.capture.answers import AnswerRule
from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.self_evaluation import SelfEvaluation
from vrp_tasks.capture.settings import CaptureSettings

# setting -> channels that it brings
BROUGHT: dict[str, tuple[type[Channel], ...]] = {
    "ptrue": (TruthAsked, TruthAskedWithSamples),
    "verbalized": (ConfidenceInTurn, ConfidenceAfterwards, ConfidenceOfProposal),
    "vauq": (CoreHidden,),
    "neurons": (NeuronContributions,),
    "ccps": (PerturbedState,),
    "alternatives": (TokenAlternatives, SampleTokens),
}
CONTINUED = {"ptrue", "verbalized"}  # those that go on from the prompt's cache


def continue_all(
    prompts: Prefilled,
    items: Sequence[Captured],
    subjects: Subjects,
    rule: AnswerRule | None,
    settings: CaptureSettings,
) -> None:
    """Add what continuations of the prompts bring to each item."""

    def plain(tokens: list[list[int]]) -> list[str]:
        found: list[str] = subjects.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return found

    evaluation = SelfEvaluation(prompts, subjects, plain if rule is None else rule.texts)
    passes: dict[str, Callable[[int, Captured], None]] = {
        "ptrue": evaluation.truth,
        "verbalized": evaluation.confidence,
    }
    for name in passes.keys() & set(settings.extra):
        for index, item in enumerate(items):
            began = time.perf_counter()
            passes[name](index, item)
            item.seconds[name] = time.perf_counter() - began


def further_of(
    captured: Captured, settings: CaptureSettings
) -> tuple[dict[str, Channel], dict[str, Absent]]:
    """Channels of passes of their own, and why others are not there."""
    absent = {}
    for name, channels in BROUGHT.items():
        for channel in channels:
            if name not in settings.extra:
                absent[channel.name] = not_asked(name)
            elif channel.name in captured.never:
                absent[channel.name] = Absent(captured.never[channel.name], "not offered")
            elif channel.name not in captured.further:
                reason = captured.missing.get(channel.name, "it was not captured")
                absent[channel.name] = Absent(reason)
    if settings.k == 0 and "alternatives" in settings.extra:
        absent[SampleTokens.name] = Absent("no answers were asked for (k=0)", "not offered")
    if settings.k == 0 and "ptrue" in settings.extra:
        why = "no answers were asked for that could be shown (k=0)"
        absent[TruthAskedWithSamples.name] = Absent(why, "not offered")
    return dict(captured.further), absent


def not_asked(name: str) -> Absent:
    """Of a detector that the run did not ask for."""
    return Absent(f"it was not asked for (extra={name})", "not offered")


def unasked(settings: CaptureSettings) -> dict[str, Absent]:
    """Channels of detectors that a run did not ask for: not offered, whatever else fails."""
    channels: dict[str, tuple[type[Channel], ...]] = {**BROUGHT, "perturb": (Perturbed,)}
    return {
        channel.name: not_asked(name)
        for name, own in channels.items()
        if name not in settings.extra
        for channel in own
    }
