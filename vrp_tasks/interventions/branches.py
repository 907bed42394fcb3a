"""Many continuations of one clean pass, from a layer on: prompt, forced answer, greedy answers.

R rows per prompt, row ``b × R + r``. First every row is fed the clean answer: its log-probability
comes from that, and a row that would have chosen each of its tokens needs no decoding of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import CausalLMOutputWithPast

from vrp_tasks.capture.decode_state import per_row
from vrp_tasks.capture.generation_settings import served_options
from vrp_tasks.capture.processors import RowProcessors
from vrp_tasks.families import Family
from vrp_tasks.interventions.clean_pass import CleanPass, Decoding
from vrp_tasks.seam.cache_name import CACHE

# rows of the batch (all, or those that go on) -> the interventions on them
Edits = Callable[[torch.Tensor], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Answer:
    """A continuation of a prompt.

    Attributes
    ----------
    tokens : list of int
        Without its end-of-sequence token.
    clean_logprobs : list of float
        Log-probability of each token of the *clean* answer.
    ended : int or None
        The end-of-sequence token; None where the length limit cut the answer.
    """

    tokens: list[int]
    clean_logprobs: list[float]
    ended: int | None


def branched_generate(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    work: Callable[[CleanPass, list[Answer]], None],
    *,
    keep: Collection[int],
    **generate_options: Any,
) -> torch.Tensor:
    """Generate greedily as `model.generate` would, and let ``work`` branch off the same prefill.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    inputs : dict of tensor
        What the processor returned, left-padded, B prompts.
    work : callable
        Gets the clean pass and the clean answers.
    keep : collection of int
        Layers that `branch_answers` will start from.
    **generate_options
        Options of `generate`; greedy decoding only.

    Returns
    -------
    int64 tensor, shape (B, T + longest answer)
        The clean sequences.

    Raises
    ------
    SetupError
        For settings of `generate` that `served_options` refuses.
    """

    def decode(
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        **kwargs: Any,
    ) -> torch.Tensor:
        decoding = Decoding.of(
            logits_processor, stopping_criteria, generation_config, input_ids.device
        )
        clean = CleanPass(model, family, input_ids, kwargs, decoding, keep=keep)
        last = len(clean.layers)
        rows = _rows_from(clean, last, clean.inputs[last])
        answers = rows.greedy()
        work(clean, answers)
        return rows.ids

    options = served_options(model, generate_options)
    found: torch.Tensor = model.generate(**inputs, **options, custom_generate=decode)
    return found


def branch_answers(
    clean: CleanPass, start: int, state: torch.Tensor, edits: Edits, references: list[Answer]
) -> list[Answer]:
    """Answers of R variants of each prompt.

    Parameters
    ----------
    clean : CleanPass
        Kept what enters ``start``.
    start : int
        First decoder layer that is run again; the number of layers for none.
    state : float tensor, shape (B × R, T, d_model)
        What enters it; of the last position alone if no layer is run again.
    edits : callable
        Given row numbers, the context of their interventions.
    references : list of Answer, length B
        The clean ones, as `branched_generate` gives them.

    Returns
    -------
    list of Answer, length B × R
    """
    n_rows = len(state)
    repeated = [answer for answer in references for _ in range(n_rows // len(references))]
    everyone = torch.arange(n_rows, device=state.device)
    with edits(everyone):
        rows = _rows_from(clean, start, state)
        logprobs, agrees = rows.forced(repeated)
    answers = [
        Answer(answer.tokens, own, answer.ended)
        for answer, own in zip(repeated, logprobs, strict=True)
    ]
    apart = everyone[~agrees]
    if len(apart):
        with edits(apart):
            for index, found in zip(apart.tolist(), rows.restarted(apart).greedy(), strict=True):
                answers[index] = Answer(found.tokens, logprobs[index], found.ended)
    return answers


def branch_logits(clean: CleanPass, start: int, state: torch.Tensor) -> torch.Tensor:
    """Logits of the first answer position, (B × R, n_vocabulary); arguments as `branch_answers`."""
    return _rows_from(clean, start, state).logits


class _Rows:
    """Rows decoded in lockstep, from their prompts on."""

    def __init__(
        self,
        clean: CleanPass,
        ids: torch.Tensor,
        kwargs: dict[str, Any],
        logits: torch.Tensor,
        prompts: torch.Tensor,
    ) -> None:
        self.clean, self.ids, self.kwargs, self.logits = clean, ids, kwargs, logits
        self._prompt_of = prompts
        self._process = RowProcessors(clean.decoding.processors, prompts, len(clean.input_ids))
        self._prompts, self._first = kwargs, logits

    def forced(self, answers: list[Answer]) -> tuple[list[list[float]], torch.Tensor]:
        """Feed given answers; log-probability of their tokens, and whether each was the choice."""
        device = self.ids.device
        paths = [a.tokens + ([] if a.ended is None else [a.ended]) for a in answers]
        longest = max(map(len, paths))
        padded = torch.full((len(paths), longest), self.clean.decoding.pad, device=device)
        for row, path in enumerate(paths):
            padded[row, : len(path)] = torch.tensor(path, dtype=torch.long, device=device)
        lengths = torch.tensor([len(path) for path in paths], device=device)
        agrees = torch.ones(len(paths), dtype=torch.bool, device=device)
        scores = []
        for step in range(longest):
            wanted = padded[:, step]
            chosen = self._choice()
            agrees &= (chosen == wanted) | (step >= lengths)
            logprobs = self.logits.log_softmax(dim=-1)
            scores.append(logprobs.gather(1, wanted[:, None]).squeeze(1))
            if step + 1 < longest:
                self._feed(wanted)
        table = torch.stack(scores, dim=1).tolist()
        return [own[: len(a.tokens)] for own, a in zip(table, answers, strict=True)], agrees

    def greedy(self) -> list[Answer]:
        """What each row answers, as `generate` would, with the log-probabilities of just that."""
        decoding, start = self.clean.decoding, self.ids.shape[1]
        alive = torch.ones(len(self.ids), dtype=torch.bool, device=self.ids.device)
        lengths = torch.zeros_like(alive, dtype=torch.long)
        ended = torch.full_like(lengths, -1)
        scores = []
        while True:
            tokens = torch.where(alive, self._choice(), decoding.pad)
            scores.append(self.logits.log_softmax(dim=-1).gather(1, tokens[:, None]))
            ends = torch.isin(tokens, decoding.eos)
            ended = torch.where(alive & ends, tokens, ended)
            lengths += alive & ~ends
            ids = torch.cat([self.ids, tokens[:, None]], dim=1)
            alive = alive & ~decoding.criteria(ids, None)
            if not bool(alive.any()):
                self.ids = ids
                break
            self._feed(tokens)
        table = torch.cat(scores, dim=1).tolist()
        return [
            Answer(row[start : start + length], own[:length], None if end < 0 else end)
            for row, own, length, end in zip(
                ids.tolist(), table, lengths.tolist(), ended.tolist(), strict=True
            )
        ]

    def restarted(self, chosen: torch.Tensor) -> _Rows:
        """Some of the rows, at the end of their prompts again."""
        length = self.clean.input_ids.shape[1]
        cache = DynamicCache(config=self.clean.model.config.get_text_config())
        for index, layer in enumerate(self.kwargs[CACHE].layers):
            kept = DynamicLayer()
            kept.keys, kept.values = (
                layer.keys[chosen, :, :length],
                layer.values[chosen, :, :length],
            )
            kept.dtype, kept.device, kept.is_initialized = layer.keys.dtype, layer.keys.device, True
            cache.layers[index] = kept
        kwargs = per_row(self._prompts, lambda v, axis: v.index_select(axis, chosen))
        kwargs[CACHE] = cache
        return _Rows(
            self.clean, self.ids[chosen, :length], kwargs, self._first[chosen],
            self._prompt_of[chosen],
        )  # fmt: skip

    def _choice(self) -> torch.Tensor:
        return self._process(self.ids, self.logits).argmax(dim=-1)

    def _feed(self, tokens: torch.Tensor) -> None:
        model = self.clean.model
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)
        before = CausalLMOutputWithPast(**{CACHE: self.kwargs[CACHE]})
        self.kwargs = model._update_model_kwargs_for_generation(before, dict(self.kwargs))
        prepared = model.prepare_inputs_for_generation(
            self.ids, next_sequence_length=1, **self.kwargs
        )
        self.logits = model(**prepared, return_dict=True).logits[:, -1].float()


def _rows_from(clean: CleanPass, start: int, state: torch.Tensor) -> _Rows:
    """Run the layers from ``start`` on, and stand at the end of the prompts."""
    rows = len(state) // len(clean.input_ids)
    cache = clean.new_cache(start, rows)
    for index in range(start, len(clean.layers)):
        layer = clean.layers[index]
        is_last = index == len(clean.layers) - 1
        with _last_position_only(layer) if is_last else nullcontext():
            output = layer(state, **{CACHE: cache}, **clean.layer_kwargs(index, rows))
        state = clean.with_added(index, output[0] if isinstance(output, tuple) else output, rows)
    norm = clean.family.decoder(clean.model).norm
    head: Any = clean.model.get_output_embeddings()
    logits = head(norm(state[:, -1:]))[:, 0].float()
    ids = clean.input_ids.repeat_interleave(rows, dim=0)
    prompts = torch.arange(len(clean.input_ids), device=ids.device).repeat_interleave(rows)
    return _Rows(clean, ids, clean.row_kwargs(cache, rows), logits, prompts)


@contextmanager
def _last_position_only(layer: Any) -> Iterator[None]:
    """Of the last layer only the last position is read, beside keys and values.

    Its output at other positions is meaningless inside: the projections that make it broadcast.
    """

    def shorten(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0][:, -1:], *args[1:])

    handles = [m.register_forward_pre_hook(shorten) for m in (layer.self_attn.o_proj, layer.mlp)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
