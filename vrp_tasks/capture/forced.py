"""A greedy answer, and how probable another answer would have been, from `generate` itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from vrp_tasks.capture.generation_settings import served_options


class _Forcing(LogitsProcessor):
    """Lets `generate` choose given tokens; its raw logits are untouched."""

    def __init__(self, tokens: torch.Tensor, prompt_length: int) -> None:
        self.tokens, self.prompt_length = tokens, prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores that leave one token."""
        step = input_ids.shape[1] - self.prompt_length
        forced = torch.full_like(scores, -torch.inf)
        return forced.scatter(1, self.tokens[:, step : step + 1].to(scores.device), 0.0)


def generate_and_score(
    model: Any,
    inputs: dict[str, torch.Tensor],
    options: dict[str, Any],
    references: list[list[int]],
) -> tuple[torch.Tensor, list[float | None]]:
    """Answer prompts greedily, and score reference answers by teacher forcing.

    Parameters
    ----------
    model : PreTrainedModel
        Generates from prepared inputs.
    inputs, options : dict
        As the stock adapter gives them to ``generate``.
    references : list of list of int
        One answer per prompt, without end-of-sequence token; may be empty.

    Returns
    -------
    sequences : int64 tensor
        As `generate` returns them.
    logprobs : list of float or None
        Mean log-probability of each reference's tokens under the raw distributions; None if it is
        empty, or ``generate`` takes no tokens from outside. A reference that the answer starts with
        is scored from the answer's own logits.
    """
    options = served_options(model, options)
    length = inputs["input_ids"].shape[1]
    sequences, logits = _generate(model, inputs, options)
    new = sequences[:, length:].cpu()
    same = [row[: len(r)].tolist() == r for row, r in zip(new, references, strict=True)]
    scores = [_mean(logits, i, r) if s else None
              for i, (r, s) in enumerate(zip(references, same, strict=True))]  # fmt: skip
    if not all(same):
        longest = max(map(len, references))
        padded = torch.tensor([r + [0] * (longest - len(r)) for r in references])
        forced = _forced(model, inputs, {**options, "max_new_tokens": longest}, padded, references)
        for index, reference in enumerate(references):
            if not same[index]:
                scores[index] = None if forced is None else _mean(forced, index, reference)
    return sequences, scores


def _forced(
    model: Any,
    inputs: dict[str, torch.Tensor],
    options: dict[str, Any],
    padded: torch.Tensor,
    references: list[list[int]],
) -> list[torch.Tensor] | None:
    """Raw logits along given tokens; None if a model's own ``generate`` goes another way.

    Janus' drops the logits processors that it is given, but not this function.
    """
    length = inputs["input_ids"].shape[1]
    table = padded.tolist()
    last = padded.shape[1] - 1

    def only(row: int, ids: torch.Tensor) -> list[int]:
        return [table[row][min(len(ids) - length, last)]]

    ways = (
        {"logits_processor": LogitsProcessorList([_Forcing(padded, length)])},
        {"logits_processor": None, "prefix_allowed_tokens_fn": only},
    )
    for way in ways:
        sequences, logits = _generate(model, inputs, {**options, **way})
        rows = sequences[:, length:].tolist()
        if all(row[: len(own)] == own for row, own in zip(rows, references, strict=True)):
            return logits
    return None


def _generate(
    model: Any, inputs: dict[str, torch.Tensor], options: dict[str, Any]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}
    out = model.generate(
        inputs["input_ids"], **rest, **options, return_dict_in_generate=True, output_logits=True
    )
    return out.sequences, list(out.logits)


def _mean(logits: list[torch.Tensor], row: int, tokens: list[int]) -> float | None:
    found = [
        float(step[row].float().log_softmax(dim=-1)[token])
        for step, token in zip(logits, tokens, strict=False)
    ]
    return float(np.mean(found)) if tokens else None
