"""One prefill, then the greedy answer and K samples in one batched decode on the repeated KV cache.

The loop runs as transformers' ``custom_generate``: `generate` has prepared the inputs, the cache,
the logits processors and the stopping criteria, so the greedy answer is the one it would give.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)

from vrp_tasks.capture.cache import spread_cache
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.sampling import SampleStreams, draw, warpers
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family

# prepared inputs with one row per prompt (position ids too, on their second to last axis)
_PER_ROW = ("attention_mask", "token_type_ids", "mm_token_type_ids")
_ROOM = 16  # answer tokens that the repeated cache has room for before it first grows


@dataclass(frozen=True)
class CaptureSettings:
    """How answers are sampled.

    ``k`` samples (0 for none) at ``temperature`` and ``top_p``, seeded by ``seed``; top-k and
    whatever else a checkpoint's generation config asks for stay off for the samples.
    """

    k: int = 10
    temperature: float = 0.7
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings under which the signals would mean something else."""
        if self.k == 1 or self.k < 0:
            raise SetupError(f"k must be at least 2 (or 0 for no sampling), got {self.k}.")
        if not self.temperature > 0:
            raise SetupError(f"temperature must be > 0, got {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise SetupError(f"top_p must be in (0, 1], got {self.top_p}.")


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
        state = _DecodeState(model, input_ids, model_kwargs, generation_config, settings)
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
    out.extend(_collect(model, family, inputs, input_ids, recorder, state))
    return state.greedy_sequences()


class _DecodeState:
    """Tokens, cache and per-step statistics of B × (K + 1) rows; row 0 of each group is greedy."""

    def __init__(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        model_kwargs: dict,
        config: GenerationConfig,
        settings: CaptureSettings,
    ) -> None:
        if model_kwargs.get("past_key_values") is None:
            raise SetupError("reliability signals need the KV cache: remove use_cache=False.")
        self.model, self.kwargs, self.settings = model, model_kwargs, settings
        self.rows = settings.k + 1
        self.batch, self.prompt_length = input_ids.shape
        self.ids = input_ids.repeat_interleave(self.rows, dim=0)
        eos, pad = config._eos_token_tensor, config._pad_token_tensor
        self.eos = torch.empty(0, dtype=torch.long) if eos is None else eos.flatten()
        self.eos = self.eos.to(input_ids.device)
        self.pad = int(pad) if pad is not None else 0
        self.room = min(config.max_length - self.prompt_length, _ROOM)
        self.alive = torch.ones(len(self.ids), dtype=torch.bool, device=input_ids.device)
        self.newest = torch.zeros_like(self.alive)
        self.lengths = torch.zeros_like(self.alive, dtype=torch.long)
        self.warp = warpers(temperature=settings.temperature, top_p=settings.top_p)
        self.logprobs: list[torch.Tensor] = []
        self.entropies: list[torch.Tensor] = []
        self.sequence_length = self.prompt_length

    def spread(self, identities: list[str]) -> None:
        """Repeat everything that has one row per prompt for the K samples."""
        self.streams = SampleStreams(identities, k=self.settings.k, seed=self.settings.seed)
        for name in _PER_ROW:
            value = self.kwargs.get(name)
            if value is not None:
                self.kwargs[name] = value.repeat_interleave(self.rows, dim=0)
        positions = self.kwargs.get("position_ids")
        if positions is not None:
            self.kwargs["position_ids"] = positions.repeat_interleave(self.rows, dim=-2)
        spread_cache(self.kwargs["past_key_values"], rows=self.rows, room=self.room)

    def choose(
        self, outputs: Any, processor: LogitsProcessorList, criteria: StoppingCriteriaList
    ) -> bool:
        """Append the next token of every row; False when nothing is left to be fed."""
        if not bool(self.alive.any()):
            self.newest = torch.zeros_like(self.alive)
            return False
        logits = outputs.logits[:, -1].float()
        if len(logits) == self.batch != len(self.ids):  # the prefill has one row per prompt
            logits = logits.repeat_interleave(self.rows, dim=0)
        raw = logits[:: self.rows]
        greedy = processor(self.ids[:: self.rows], raw.clone()).argmax(dim=-1)
        self._note(raw, greedy)
        tokens = torch.full_like(self.ids[:, 0], self.pad)
        tokens[:: self.rows] = greedy
        if self.settings.k:
            sampled = torch.ones_like(self.alive)
            sampled[:: self.rows] = False
            warped = self.warp(self.ids[sampled], logits[sampled])
            tokens[sampled] = draw(warped, self.streams.next())
        tokens = torch.where(self.alive, tokens, self.pad)
        if bool(self.alive[:: self.rows].any()):
            self.sequence_length += 1
        self.newest = self.alive & ~torch.isin(tokens, self.eos)
        self.lengths += self.newest
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)
        self.alive = self.alive & ~criteria(self.ids, None)
        # an answer cut by the length limit has its last token still to be fed for its states
        cut = self.newest_is_answer() & ~self.alive[:: self.rows]
        return bool(self.alive.any()) or bool(cut.any())

    def _note(self, raw: torch.Tensor, chosen: torch.Tensor) -> None:
        logprobs = raw.log_softmax(dim=-1)
        self.logprobs.append(logprobs.gather(1, chosen[:, None]).squeeze(1))
        terms = torch.where(logprobs > -torch.inf, logprobs.exp() * logprobs, 0.0)
        self.entropies.append(-terms.sum(dim=-1))
        if len(self.logprobs) == 1:
            self.first_probabilities = logprobs.topk(2, dim=-1).values.exp()

    def forward(self, outputs: Any) -> Any:
        """Feed the tokens just chosen."""
        self.kwargs = self.model._update_model_kwargs_for_generation(outputs, self.kwargs)
        prepared = self.model.prepare_inputs_for_generation(
            self.ids, next_sequence_length=1, **self.kwargs
        )
        return self.model(**prepared, return_dict=True)

    def newest_is_answer(self) -> torch.Tensor:
        """Bool (B,): the greedy row's newest token is part of its answer, not its end."""
        return self.newest[:: self.rows]

    def greedy_sequences(self) -> torch.Tensor:
        """Prompts and greedy answers, padded, as `generate` returns them."""
        return self.ids[:: self.rows, : self.sequence_length]

    def answer_tokens(self, row: int) -> list[int]:
        """Generated tokens of a row, its end-of-sequence token and padding excluded."""
        start = self.prompt_length
        return self.ids[row, start : start + int(self.lengths[row])].tolist()


def _collect(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    input_ids: torch.Tensor,
    recorder: Recorder,
    state: _DecodeState,
) -> list[Captured]:
    """Split what was recorded by prompt."""
    is_image = family.image_tokens(model.config, input_ids).to(recorder.row_sum.device)
    rows = recorder.row_sum / recorder.row_count[None, :, None]
    logprobs = torch.stack(state.logprobs).cpu().numpy()
    entropies = torch.stack(state.entropies).cpu().numpy()
    captured = []
    for index in range(state.batch):
        first = index * state.rows
        tokens = state.answer_tokens(first)
        item = Captured(
            tokens=tokens,
            sampled_tokens=[
                state.answer_tokens(row) for row in range(first + 1, first + state.rows)
            ],
            logprobs=logprobs[: len(tokens), index],
            entropies=entropies[: len(tokens), index],
            first_probabilities=state.first_probabilities[index].cpu().numpy(),
            maps=None,
            image_mass=None,
            grid=None,
            hidden={"last_prompt": recorder.last_prompt[:, index].cpu().numpy()},
        )
        _add_answer_states(item, recorder, index)
        _add_maps(item, rows[:, index, is_image[index]], model, family, inputs, index)
        captured.append(item)
    return captured


def _add_answer_states(item: Captured, recorder: Recorder, index: int) -> None:
    count = float(recorder.answer_count[index])
    if count == 0:
        item.missing["hidden_answer"] = "the answer is empty"
        return
    item.hidden["last_answer"] = recorder.last_answer[:, index].cpu().numpy()
    item.hidden["mean_answer"] = (recorder.answer_sum[:, index] / count).cpu().numpy()


def _add_maps(
    item: Captured,
    weights: torch.Tensor,
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    index: int,
) -> None:
    """Attention maps of a prompt with exactly one image whose tokens fill its grid."""
    n_tokens = weights.shape[1]
    if n_tokens == 0:
        item.missing["attention"] = "the prompt has no image tokens"
        return
    height, width = family.image_grid(model.config, inputs, index)
    if height * width != n_tokens:
        item.missing["attention"] = (
            f"{n_tokens} image tokens do not fill one {height} x {width} grid (several images?)"
        )
        return
    mass = weights.sum(dim=1)
    item.grid = (height, width)
    item.image_mass = mass.cpu().numpy()
    if not bool((mass > 0).all()):
        item.missing["attention"] = "a layer pays no attention to the image at all"
        return
    item.maps = (weights / mass[:, None]).cpu().numpy()
