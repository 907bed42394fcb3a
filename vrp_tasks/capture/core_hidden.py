"""The answer forced once more with the core of the image hidden: what the model looked at most."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from metrics.answers.core_information import core_of
from metrics.errors import UndefinedMetricError
from metrics.record.channels import CoreHidden
from vrp_tasks.capture.attention import editing
from vrp_tasks.capture.cache import keeps_every_position
from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.capture.hiding import Hide
from vrp_tasks.capture.result import Captured
from vrp_tasks.families import Family

_NOT_MODEL_INPUTS = ("logits_processor", "stopping_criteria", "generation_config")
_SLIDING = "layers with a sliding window forget positions, so none can be hidden from them"


def hide_core(
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    items: Sequence[Captured],
    **options: Any,
) -> None:
    """Add `CoreHidden` to each item, or the reason why it has none.

    One prefill of the batch in which nothing attends to the core, then the answer's tokens are fed
    behind each prompt at once.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    inputs : dict of tensor
        As for `probed_generate`, B prompts.
    items : sequence of Captured, length B
        Of the same prompts.
    **options
        Options of `generate`.
    """
    cores = [_core(model, family, item) for item in items]
    if all(core is None for core in cores):
        return
    began = time.perf_counter()

    def read(model: PreTrainedModel, input_ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        config = kwargs["generation_config"]
        kwargs = {name: kwargs[name] for name in kwargs if name not in _NOT_MODEL_INPUTS}
        hidden = torch.zeros_like(input_ids, dtype=torch.bool)
        is_image = family.image_tokens(model.config, input_ids)
        for index, core in enumerate(cores):
            if core is not None:
                hidden[index, is_image[index]] = torch.from_numpy(core).to(hidden.device)
        with editing(Hide(hidden)):
            prepared = model.prepare_inputs_for_generation(
                input_ids, is_first_iteration=True, **kwargs
            )
            first = model(**prepared, return_dict=True).logits[:, -1].float()
        prompts = Prefilled.of(model, family, input_ids, kwargs, config)
        for index, item in enumerate(items):
            if cores[index] is not None:
                with editing(Hide(hidden[index : index + 1])):
                    entropies = _entropies(prompts, index, item.tokens, first[index])
                item.further[CoreHidden.name] = CoreHidden(entropies)
        return input_ids

    model.generate(**inputs, **options, custom_generate=read)
    for item in items:
        item.seconds["vauq"] = (time.perf_counter() - began) / len(items)


def _core(model: PreTrainedModel, family: Family, item: Captured) -> np.ndarray | None:
    """Which image tokens are hidden, bool (S,); None, with the reason in the item, if none can."""
    why = None
    if family.lacks.get("attention") is not None:  # of this model, whatever the prompt
        item.never[CoreHidden.name] = family.lacks["attention"]
        return None
    if not item.tokens:
        why = "the answer is empty"
    elif item.maps is None or item.image_mass is None:
        why = item.missing.get("attention", "no attention map")
    if not keeps_every_position(DynamicCache(config=model.config.get_text_config())):
        item.never[CoreHidden.name] = _SLIDING
        return None
    if why is not None or item.maps is None or item.image_mass is None:
        item.missing[CoreHidden.name] = str(why)
        return None
    try:
        return core_of(item.maps * item.image_mass[:, None])
    except UndefinedMetricError as undefined:
        item.missing[CoreHidden.name] = str(undefined)
        return None


def _entropies(
    prompts: Prefilled, index: int, tokens: list[int], first: torch.Tensor
) -> np.ndarray:
    """Entropy of the distribution that each of the answer's tokens comes from."""
    rows = first[None]
    if len(tokens) > 1:
        rows = torch.cat([rows, prompts.continued(index, tokens[:-1]).logits])
    logprobs = rows.log_softmax(dim=-1)
    terms = torch.where(logprobs > -torch.inf, logprobs.exp() * logprobs, 0.0)
    found: np.ndarray = -terms.sum(dim=-1).cpu().numpy()
    return found
