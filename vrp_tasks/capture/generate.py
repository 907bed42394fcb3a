"""One prefill, then the greedy answer and K samples in one batched decode on the repeated KV cache.

The loop runs as transformers' ``custom_generate``: `generate` has prepared the inputs, the cache,
the logits processors and the stopping criteria, so the greedy answer is the one it would give.
"""

from __future__ import annotations

import functools

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from vrp_tasks.capture.collect import collect
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family


def probed_generate(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    *,
    identities: list[str],
    settings: CaptureSettings,
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
        For beam search, sampling as the scored answer, several images in one prompt or right
        padding.
    CaptureError
        If a hook did not fire or attention rows are no distributions.
    """
    _check(inputs, generate_options)
    caught: list[Captured] = []
    decode = functools.partial(
        _decode, family=family, inputs=inputs, identities=identities, settings=settings, out=caught
    )
    sequences = model.generate(**inputs, **generate_options, custom_generate=decode)
    return sequences, caught


def _check(inputs: dict[str, torch.Tensor], options: dict) -> None:
    if options.get("num_beams") not in (None, 1):
        raise SetupError(
            "reliability signals need greedy decoding, the task asks for "
            f"num_beams={options['num_beams']}. Set num_beams: 1 in its generation_kwargs."
        )
    if options.get("do_sample"):
        raise SetupError(
            "reliability signals need a greedy scored answer, the task asks for do_sample. "
            "Set temperature: 0 in its generation_kwargs."
        )
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
    family: Family,
    inputs: dict[str, torch.Tensor],
    identities: list[str],
    settings: CaptureSettings,
    out: list[Captured],
    **model_kwargs: object,
) -> torch.Tensor:
    """The decoding method that `generate` calls; fills ``out`` and returns greedy sequences."""
    batch, prompt_length = input_ids.shape
    recorder = Recorder(family.decoder(model), batch_size=batch, prompt_length=prompt_length)
    with recorder.attached():
        prepared = model.prepare_inputs_for_generation(
            input_ids, is_first_iteration=True, **model_kwargs
        )
        outputs = model(**prepared, return_dict=True)
        recorder.take_prompt()
        state = DecodeState(model, input_ids, model_kwargs, generation_config, settings)
        state.spread(identities)
        recorder.stride = state.rows
        unfinished = state.choose(outputs, logits_processor, stopping_criteria)
        while unfinished:
            fed = state.newest_is_answer()
            recorder.active = bool(fed.any())
            outputs = state.forward(outputs)
            unfinished = state.choose(outputs, logits_processor, stopping_criteria)
            if recorder.active:
                recorder.take_step(is_answer=fed, predicts_answer=state.newest_is_answer())
    out.extend(collect(model, family, inputs, input_ids, recorder, state))
    return state.greedy_sequences()
