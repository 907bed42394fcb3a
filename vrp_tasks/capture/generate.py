"""One prefill, then the greedy answer and K samples in one batched decode on its KV cache.

The loop runs as transformers' ``custom_generate``: `generate` has prepared the inputs, the cache,
the logits processors and the stopping criteria, so the greedy answer is the one it would give.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from metrics.record.channels import BlankScores, SampleScores, SampleSpread, SampleTokens
from vrp_tasks.capture.alternatives import Alternatives
from vrp_tasks.capture.answers import AnswerRule
from vrp_tasks.capture.attention import branching, is_edited, listening
from vrp_tasks.capture.blank import blank_pass
from vrp_tasks.capture.cache import Straight
from vrp_tasks.capture.candidates import CandidateMass
from vrp_tasks.capture.collect import collect
from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.capture.core_hidden import hide_core
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.extras import CONTINUED, continue_all
from vrp_tasks.capture.generation_settings import served_options
from vrp_tasks.capture.lens import LogitLens
from vrp_tasks.capture.neurons import Neurons
from vrp_tasks.capture.observer import (
    CaptureContext,
    ObserverFactory,
    ObserverGroup,
    Subjects,
)
from vrp_tasks.capture.pushed_state import PushedStates
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.sample_spread import SampleStates
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.capture.shared_prompt import Branches
from vrp_tasks.capture.views import Canvas
from vrp_tasks.capture.visual_tokens import VisualTokens
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.seam.cache_name import CACHE

_APART = "the samples were decoded in several passes, since memory ran out, not side by side"
STANDARD: tuple[ObserverFactory, ...] = (
    LogitLens,
    VisualTokens,
    CandidateMass,
    SampleStates,
)
# setting of ``extra`` -> what it measures beside them
ASKED: dict[str, ObserverFactory] = {
    "neurons": Neurons,
    "ccps": PushedStates,
    "alternatives": Alternatives,
}


def probed_generate(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    *,
    identities: list[str],
    settings: CaptureSettings,
    subjects: Subjects | None = None,
    rule: AnswerRule | None = None,
    observers: Sequence[ObserverFactory] = STANDARD,
    share_prompt: bool = True,
    samples_at_once: int | None = None,
    canvases: Sequence[Canvas | str | None] | None = None,
    blank: dict[str, torch.Tensor] | str = "no blank images were given",
    **generate_options: object,
) -> tuple[torch.Tensor, list[Captured]]:
    """Generate greedily as `model.generate` would, and capture signals beside it.

    Parameters
    ----------
    model : PreTrainedModel
        In `vrp_tasks.capture.attention.capturing_attention`'s context.
    family : Family
        The model's family.
    inputs : dict of tensor
        What the processor returned, left-padded, B prompts.
    identities : list of str, length B
        Names of the samples; they seed the sampling.
    settings : CaptureSettings
        Sampling settings.
    subjects : Subjects, optional
        Questions, true answers and tokenizer, for the observers that need them.
    rule : AnswerRule, optional
        What the answer and the samples are cut by; without one every generated token counts.
    observers : sequence of callable
        What is measured beside attention rows and states.
    share_prompt : bool, default True
        Samples share one copy of their prompt's keys and values in layers that allow it; else each
        has its own, which takes K + 1 times the memory.
    samples_at_once : int, optional
        Most samples that are decoded together, where memory is short; they are the same samples.
    canvases : sequence of Canvas, str or None, length B, optional
        Where the tokens of images in several pictures look, or why that is not known; None for a
        prompt whose image tokens fill the family's grid.
    blank : dict of tensor, or str
        The prompts of ``inputs`` about blank images, for ``blank_image``; or why there are none.
    **generate_options
        Options of `generate`; greedy decoding only.

    Returns
    -------
    sequences : int64 tensor, shape (B, T + longest answer)
        As `generate` returns them.
    captured : list of Captured, length B

    Raises
    ------
    SetupError
        For right padding, and settings of `generate` that `served_options` refuses.
    CaptureError
        If a hook did not fire. Where a prompt's logits are not finite, or its attention rows are no
        distributions, its `Captured.failed` says so.
    """
    generate_options = served_options(model, generate_options)
    _check(inputs)
    observers = [*observers, *(ASKED[name] for name in settings.extra if name in ASKED)]
    capture = _Capture(
        family, inputs, identities, settings, subjects or Subjects.unknown(len(identities)),
        rule, observers, share_prompt, canvases or [None] * len(identities),
    )  # fmt: skip
    sequences, caught = capture.generated(model, samples_at_once, **generate_options)
    is_image = family.image_tokens(model.config, inputs["input_ids"])
    # a model that reads images through cross-attention has none of their tokens
    shown = (is_image.any(dim=1) | ~is_image.any()).tolist()
    if settings.blank_image and isinstance(blank, dict) and "pixel_values" in inputs:
        began = time.perf_counter()
        found = blank_pass(
            model, family, blank, [item.tokens for item in caught], capture.first[0],
            **generate_options,
        )  # fmt: skip
        for index, item in enumerate(caught):
            scores = found.scores[index]
            if shown[index]:
                item.hidden["blank"] = found.states[:, index].cpu().numpy()
                if scores is not None:
                    item.further[BlankScores.name] = scores
                else:
                    item.missing[BlankScores.name] = "the answer is empty"
            item.seconds["blank"] = (time.perf_counter() - began) / len(caught)
    if "vauq" in settings.extra:
        hide_core(model, family, inputs, caught, **generate_options)
    for index, item in enumerate(caught if settings.blank_image else ()):
        if "blank" not in item.hidden:
            given = isinstance(blank, str) and shown[index] and "pixel_values" in inputs
            reason = str(blank) if given else "the prompt has no image to blank"
            item.missing["hidden_blank"] = item.missing[BlankScores.name] = reason
    return sequences, caught


@dataclass(frozen=True)
class _Capture:
    """The arguments of one `probed_generate`, on their way through `generate`."""

    family: Family
    inputs: dict[str, torch.Tensor]
    identities: list[str]
    settings: CaptureSettings
    subjects: Subjects
    rule: AnswerRule | None
    observers: Sequence[ObserverFactory]
    share_prompt: bool
    canvases: Sequence[Canvas | str | None]
    first: list[torch.Tensor] = field(default_factory=list)  # log-probabilities (B, vocabulary)
    samples: range = range(0)  # which of the K
    is_whole: bool = False  # or the samples alone are wanted
    before: list[list[Captured]] = field(default_factory=list)  # passes over other samples
    out: list[Captured] = field(default_factory=list)

    def generated(
        self, model: PreTrainedModel, at_once: int | None, **options: Any
    ) -> tuple[torch.Tensor, list[Captured]]:
        """Sequences and items; samples that do not fit beside the answer come first."""
        k = self.settings.k
        step = max(1, at_once or k)
        for start in range(step, k, step):
            samples = range(start, min(start + step, k))
            part = replace(self, samples=samples, observers=(), out=[])
            part.decoded(model, **options)
            self.before.append(part.out)
        whole = replace(self, samples=range(min(step, k)), is_whole=True)
        return whole.decoded(model, **options), whole.out

    def decoded(self, model: PreTrainedModel, **options: Any) -> torch.Tensor:
        """Sequences of a `generate` that decodes by `_decode`; items go to ``out``."""
        decode = functools.partial(_decode, capture=self)
        found: torch.Tensor = model.generate(**self.inputs, **options, custom_generate=decode)
        return found

    def gather(self, items: list[Captured]) -> None:
        """Add the samples of earlier passes to items."""
        for index, item in enumerate(items):
            for earlier in self.before:
                other = earlier[index]
                item.sampled_tokens += other.sampled_tokens
                item.failed = item.failed or other.failed
                own, more = (one.further[SampleScores.name] for one in (item, other))
                pairs = zip(own.arrays().values(), more.arrays().values(), strict=True)
                item.further[SampleScores.name] = SampleScores(*map(np.concatenate, pairs))
            if self.before:
                for kind in (SampleSpread, SampleTokens):
                    item.further.pop(kind.name, None)
                    item.missing[kind.name] = _APART


def _check(inputs: dict[str, torch.Tensor]) -> None:
    mask = inputs.get("attention_mask")
    if mask is not None and not bool(mask[:, -1].all()):
        raise SetupError(
            "the batch is padded on the right, so generation would start from padding. "
            "Use --batch_size 1, or a tokenizer with padding_side='left'."
        )


def _decode(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    *,
    capture: _Capture,
    **model_kwargs: Any,
) -> torch.Tensor:
    """The decoding method that `generate` calls; fills ``capture.out``, returns the sequences."""
    family, settings = capture.family, capture.settings
    batch, prompt_length = input_ids.shape
    recorder = Recorder(
        family.decoder(model), batch_size=batch, prompt_length=prompt_length,
        all_attend=family.all_layers_attend, is_image=family.image_tokens(model.config, input_ids),
    )  # fmt: skip
    context = CaptureContext(
        model, family, capture.inputs, input_ids, recorder, settings, capture.subjects
    )
    observers = ObserverGroup(context, capture.observers)
    straight = Straight()
    with recorder.attached(), observers.attached():
        with listening(observers), listening(straight):
            prepared = model.prepare_inputs_for_generation(
                input_ids, is_first_iteration=True, **model_kwargs
            )
            outputs = model(**prepared, return_dict=True)
        recorder.take_prompt()
        observers.after_prefill(outputs)
        if settings.blank_image:
            capture.first.append(outputs.logits[:, -1].float().log_softmax(dim=-1))
        prompts = None
        if capture.is_whole and CONTINUED & set(settings.extra):
            prompts = Prefilled.of(model, family, input_ids, model_kwargs, generation_config)
        state = DecodeState(
            model, input_ids, model_kwargs, generation_config, settings, logits_processor,
            capture.rule, capture.samples,
        )  # fmt: skip
        shared: list[int] = []
        if capture.share_prompt and not is_edited():
            shared = straight.layers(model_kwargs[CACHE])
        state.spread(capture.identities, shared=shared)
        recorder.stride = state.rows
        unfinished = state.choose(outputs, stopping_criteria)
        with branching(Branches(state.rows, prompt_length)):
            while unfinished:
                recorder.active = state.feeds_answer()
                outputs = state.forward(outputs)
                unfinished = state.choose(outputs, stopping_criteria)
                if recorder.active:
                    recorder.take_step()
                    ends = state.answers_end()
                    recorder.fold(*ends)
                    observers.after_step(*ends)
    items = collect(model, family, capture.inputs, input_ids, recorder, state, capture.canvases)
    capture.out.extend(items)
    _complete(capture, items, observers, state, prompts)
    return state.greedy_sequences()


def _complete(
    capture: _Capture,
    items: list[Captured],
    observers: ObserverGroup,
    state: DecodeState,
    prompts: Prefilled | None,
) -> None:
    """What observers saw, the samples of earlier passes, and what goes on from the prompts."""
    for index, item in enumerate(items):
        if item.failed is None:
            observers.collect(index, item, state)
    if capture.is_whole:
        capture.gather(items)
    if prompts is not None and not all(item.failed for item in items):
        continue_all(prompts, items, capture.subjects, capture.rule, capture.settings)
