"""Prompts that are continued from their prefill, as often as wanted: nothing of them is read twice.

What is fed may be many tokens at once. Each sees those before it and none after, whatever a model
makes of blocks of its prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional
from transformers import Cache, GenerationConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import CausalLMOutputWithPast

from vrp_tasks.capture.attention import editing
from vrp_tasks.capture.cache import choose_rows, keeps_every_position, spread_cache
from vrp_tasks.capture.decode_state import per_row
from vrp_tasks.families import Family
from vrp_tasks.seam.cache_name import CACHE

# what `generate` keeps of every position of the prompts
_BY_POSITION = (
    *("attention_mask", "position_ids", "token_type_ids"),
    *("mm_token_type_ids", "moe_mm_token_type_ids"),
)


@dataclass(frozen=True)
class Prefilled:
    """A batch of B prompts as its prefill left it, before anything was generated.

    Attributes
    ----------
    model : PreTrainedModel
        In `vrp_tasks.capture.attention.capturing_attention`'s context.
    input_ids : int64 tensor, shape (B, T)
        Left-padded.
    kwargs : dict
        As `generate` prepared them; the cache is that of the prompts.
    eos : int64 tensor, shape (n,)
        Tokens that end an answer.
    is_image : bool tensor, shape (B, T)
        True at image tokens.
    reads_backwards : bool
        As `Family.reads_backwards`.
    """

    model: PreTrainedModel
    input_ids: torch.Tensor
    kwargs: dict[str, Any]
    eos: torch.Tensor
    is_image: torch.Tensor
    reads_backwards: bool = False

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        family: Family,
        input_ids: torch.Tensor,
        kwargs: dict[str, Any],
        config: GenerationConfig,
    ) -> Prefilled:
        """Keep what a prefill left; called before the cache is used for anything else."""
        eos = config._eos_token_tensor
        ends = torch.empty(0, dtype=torch.long) if eos is None else eos.flatten()
        kept = {**kwargs, CACHE: _kept(kwargs[CACHE])}
        is_image = family.image_tokens(model.config, input_ids)
        ends = ends.to(input_ids.device)
        return cls(model, input_ids, kept, ends, is_image, family.reads_backwards)

    @property
    def can_be_cut(self) -> bool:
        """Whether the cache holds every position as it was read."""
        return keeps_every_position(self.kwargs[CACHE])

    @property
    def places_images(self) -> bool:
        """Whether image tokens have positions in height and width, behind which text goes on."""
        positions = self.kwargs.get("position_ids")
        return positions is not None and positions.ndim > 2

    def upto(self, cut: int) -> Prefilled:
        """The prompts' first ``cut`` positions alone; `can_be_cut` has to hold."""
        lengths = {
            name: self.kwargs[name][..., :cut]
            for name in _BY_POSITION
            if self.kwargs.get(name) is not None
        }
        cache = copy.copy(self.kwargs[CACHE])
        cache.layers = [_cut_back(layer, cut) for layer in cache.layers]
        kwargs = {**self.kwargs, **lengths, CACHE: cache}
        ids, is_image = self.input_ids[:, :cut], self.is_image[:, :cut]
        return replace(self, input_ids=ids, is_image=is_image, kwargs=kwargs)

    def continued(self, index: int, tokens: Sequence[int]) -> Continuation:
        """Feed tokens behind prompt ``index``, all at once.

        Parameters
        ----------
        index : int
            Of the batch.
        tokens : sequence of int
            One at least.

        Returns
        -------
        Continuation
            Its ``logits[t]`` are those after token t.
        """
        kwargs = per_row(self.kwargs, lambda v, axis: v.narrow(axis, index, 1))
        cache = _of_row(self.kwargs[CACHE], index)
        spread_cache(cache, rows=1, room=len(tokens))
        kwargs[CACHE] = cache
        if "logits_to_keep" in kwargs:
            kwargs["logits_to_keep"] = 0  # of every position
        found = Continuation(self.model, self.input_ids[index : index + 1], kwargs)
        # linear attention goes on from one token to the next alone, and so do cross-attention masks
        plain = all(isinstance(layer, DynamicLayer) for layer in cache.layers)
        if plain and kwargs.get("cross_attention_mask") is None:
            found.feed(tokens)
        else:
            found.feed_one_by_one(tokens)
        return found

    def ends(self, token: int) -> bool:
        """Whether a token ends an answer."""
        return bool((self.eos == token).any())


class Continuation:
    """One prompt that goes on.

    Attributes
    ----------
    logits : float32 tensor, shape (n, vocabulary)
        After each of the tokens that were fed last.
    """

    def __init__(self, model: PreTrainedModel, ids: torch.Tensor, kwargs: dict[str, Any]) -> None:
        self._model, self._ids, self._kwargs = model, ids, kwargs
        self.logits = torch.empty(0)

    def feed(self, tokens: Sequence[int]) -> None:
        """Append tokens."""
        model, fed = self._model, torch.tensor([list(tokens)], device=self._ids.device)
        self._ids = torch.cat([self._ids, fed], dim=1)
        before = CausalLMOutputWithPast(**{CACHE: self._kwargs[CACHE]})
        self._kwargs = model._update_model_kwargs_for_generation(
            before, self._kwargs, is_encoder_decoder=False, num_new_tokens=len(tokens)
        )
        prepared = model.prepare_inputs_for_generation(
            self._ids, next_sequence_length=len(tokens), **self._kwargs
        )
        with editing(_Causal()):
            self.logits = model(**prepared, return_dict=True).logits[0].float()

    def feed_one_by_one(self, tokens: Sequence[int]) -> None:
        """Append tokens, each in a pass of its own."""
        logits = []
        for token in tokens:
            self.feed([token])
            logits.append(self.logits)
        self.logits = torch.cat(logits)

    def greedy(self, prompt: Prefilled, *, most: int) -> list[int]:
        """Generate up to ``most`` tokens, without the one that ends them."""
        tokens: list[int] = []
        while len(tokens) < most:
            token = int(self.logits[-1].argmax())
            if prompt.ends(token):
                break
            tokens.append(token)
            if len(tokens) < most:
                self.feed([token])
        return tokens


class _Causal:
    """Of several tokens fed at once, none sees a later one: not every model's mask says so."""

    def edited_mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        n_queries, n_keys = query.shape[2], key.shape[2]
        if n_queries == 1:
            return mask
        place = torch.arange(n_keys, device=query.device)
        earlier = (place[n_keys - n_queries :, None] >= place)[None, None]
        if mask is None:
            return earlier
        mask = functional.pad(mask, (0, max(0, n_keys - mask.shape[-1])))[..., :n_keys]
        if mask.dtype == torch.bool:
            return mask & earlier
        return mask.masked_fill(~earlier, torch.finfo(mask.dtype).min)


def _kept(cache: Cache) -> Cache:
    """A cache that stays as it is: plain layers are never written in place, others are copied."""
    kept = copy.copy(cache)
    kept.layers = [
        copy.copy(layer) if type(layer) is DynamicLayer else copy.deepcopy(layer)
        for layer in cache.layers
    ]
    return kept


def _cut_back(layer: Any, cut: int) -> Any:
    shorter = copy.copy(layer)
    if layer.get_seq_length():
        shorter.keys, shorter.values = (s[..., :cut, :] for s in (layer.keys, layer.values))
    return shorter


def _of_row(cache: Cache, index: int) -> Cache:
    """The cache of one prompt of a batch, to be written to."""
    own = copy.copy(cache)
    own.layers = []
    for layer in cache.layers:
        if type(layer) is DynamicLayer:
            row = copy.copy(layer)
            if row.get_seq_length():
                row.keys, row.values = (s[index : index + 1] for s in (layer.keys, layer.values))
        else:
            row = copy.deepcopy(layer)
            choose_rows(row, lambda rows: rows[index : index + 1])
        own.layers.append(row)
    return own
