"""Prompts as a model is given them: which they are, and whether they are whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from transformers import PretrainedConfig


def prompt_hashes(inputs: dict[str, torch.Tensor]) -> list[str]:
    """Which prompts the rows of a batch are, by their token ids, padding left out."""
    rows = (row[own].tolist() for row, own in zip(inputs["input_ids"], _kept(inputs), strict=True))
    return [hash_of_tokens(row) for row in rows]


def hash_of_tokens(tokens: Iterable[int]) -> str:
    """Which prompt it is, by its token ids."""
    return f"token ids:{hashlib.sha256(str(list(tokens)).encode()).hexdigest()}"


def beyond_context(
    config: PretrainedConfig, tokenizer: Any, inputs: dict[str, torch.Tensor]
) -> list[str | None]:
    """Of each prompt, that it is longer than what the model was made for, if it is."""
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    cut = _cut_at(tokenizer)
    return [
        f"the prompt was cut at the tokenizer's {cut} tokens"
        if cut is not None and n >= cut
        else f"the prompt has {n} tokens, the model's context {longest}"
        if longest is not None and n > longest
        else None
        for n in _kept(inputs).sum(dim=1).tolist()
    ]


def _kept(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Where a batch has tokens and no padding, bool (B, T)."""
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    return torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()


def _cut_at(tokenizer: Any) -> int | None:
    """Tokens after which a tokenizer cuts whatever it is given; None for one that does not."""
    truncation = getattr(getattr(tokenizer, "backend_tokenizer", None), "truncation", None)
    return None if not truncation else int(truncation["max_length"])
