"""What a model makes of its prompt when the image is blank: its state, and its answer's chances.

What a probe reads there, it reads from the question alone; an answer that is as probable there owes
nothing to the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from metrics.record.channels import BlankScores
from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.families import Family


@dataclass(frozen=True)
class Blank:
    """Of B prompts whose images are blank.

    Attributes
    ----------
    states : float32 tensor, shape (n_layers + 1, B, d_model)
        Of the last prompt token.
    scores : list of BlankScores or None, length B
        Of their answers; None for an empty one.
    """

    states: torch.Tensor
    scores: list[BlankScores | None]


def blank_pass(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    answers: Sequence[Sequence[int]],
    shown: torch.Tensor,
    **options: Any,
) -> Blank:
    """Read prompts about blank images, and force the answers that were given with the image.

    One prefill; the answer's tokens are fed behind each prompt at once.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    inputs : dict of tensor
        As for `probed_generate`, B prompts whose images are blank.
    answers : sequence of sequence of int, length B
        Tokens of the answers that were given.
    shown : float tensor, shape (B, vocabulary)
        Log-probabilities of the first position with the image.
    **options
        Options of `generate`.
    """
    found: list[Blank] = []

    def read_prompt(
        model: PreTrainedModel, input_ids: torch.Tensor, *_: Any, **kwargs: Any
    ) -> torch.Tensor:
        batch, length = input_ids.shape
        recorder = Recorder(
            family.decoder(model), batch_size=batch, prompt_length=length,
            all_attend=family.all_layers_attend,
        )  # fmt: skip
        config = kwargs["generation_config"]
        kwargs = {name: kwargs[name] for name in kwargs if name not in _NOT_MODEL_INPUTS}
        with recorder.attached():
            prepared = model.prepare_inputs_for_generation(
                input_ids, is_first_iteration=True, **kwargs
            )
            first = model(**prepared, return_dict=True).logits[:, -1].float()
        recorder.take_prompt()
        prompts = Prefilled.of(model, family, input_ids, kwargs, config)
        scores = [
            _scores(prompts, index, list(tokens), first[index], shown[index])
            for index, tokens in enumerate(answers)
        ]
        found.append(Blank(recorder.last_prompt, scores))
        return input_ids

    model.generate(**inputs, **options, custom_generate=read_prompt)
    return found[0]


def _scores(
    prompts: Prefilled, index: int, tokens: list[int], first: torch.Tensor, shown: torch.Tensor
) -> BlankScores | None:
    if not tokens:
        return None
    logits = first[None]
    if len(tokens) > 1:
        logits = torch.cat([logits, prompts.continued(index, tokens[:-1]).logits])
    logprobs = logits.log_softmax(dim=-1)
    own = logprobs.gather(1, torch.tensor(tokens, device=logits.device)[:, None]).squeeze(1)
    p = logprobs.exp()
    entropies = -torch.where(p > 0, p * logprobs, 0.0).sum(dim=-1)
    with_image = shown.to(logprobs.device)
    apart = torch.where(with_image > -torch.inf, with_image.exp() * (with_image - logprobs[0]), 0.0)
    divergence = apart.sum().clamp_min(0.0)[None]
    return BlankScores(*(t.float().cpu().numpy() for t in (own, entropies, divergence)))


_NOT_MODEL_INPUTS = ("logits_processor", "stopping_criteria", "generation_config")
