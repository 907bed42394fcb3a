"""Tried on a model that nobody declared: that a pass can be left at a layer and taken up again.

What is compared is the naive way, the whole model under the same edits, on two prompts about noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.forced import generate_and_score
from vrp_tasks.capture.trial import trial_inputs
from vrp_tasks.families import Family
from vrp_tasks.faults import ends_run, reason_of
from vrp_tasks.interventions.ablation import Half, Site, ablated_units, bypassed, n_units
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import (
    Answer,
    branch_answers,
    branch_logits,
    branched_generate,
)
from vrp_tasks.interventions.checks import cache_complaint
from vrp_tasks.interventions.clean_pass import CleanPass

_ROWS = 2  # of each prompt
_STEPS = 4  # of what rounding alone makes of the logits
_LEAST = 1e-6  # a step of rounding, relative
_TWO = "its layers run on their own and the whole model"
_OPTIONS: dict[str, Any] = {"do_sample": False, "num_beams": 1, "max_new_tokens": 3}

Edit = Callable[[], AbstractContextManager[Any]]


def branching_complaint(model: PreTrainedModel, family: Family, processor: Any) -> str | None:
    """Why layers of a model cannot be run again on their own under an intervention, or None.

    Parameters
    ----------
    model, family
        The model.
    processor : ProcessorMixin
        Of the checkpoint.
    """
    if (why := cache_complaint(model)) is not None:
        return why
    for index, layer in enumerate(family.decoder(model).layers):
        modules = dict(layer.named_modules())
        for path in ("self_attn.o_proj", "mlp"):
            if path not in modules:
                return f"decoder layer {index} ({type(layer).__name__}) has no {path}"
    try:
        with torch.inference_mode(), capturing_attention(model):
            return _difference(model, family, trial_inputs(model, processor))
    except Exception as error:
        if ends_run(error):
            raise
        return f"its layers cannot be run on their own ({reason_of(error)})"


def _whichever(edit: Edit, _rows: torch.Tensor) -> AbstractContextManager[Any]:
    return edit()


def _difference(
    model: PreTrainedModel, family: Family, inputs: dict[str, torch.Tensor]
) -> str | None:
    """What branches and the whole model do not agree on: first logits, then forced tokens."""
    n_layers = len(family.decoder(model).layers)
    edits = _edits(model, family, inputs, n_layers // 2)
    logits: dict[str, torch.Tensor] = {}
    found: dict[str, list[Answer]] = {}
    clean_tokens: list[list[int]] = []

    def work(clean: CleanPass, answers: list[Answer]) -> None:
        clean_tokens.extend(answer.tokens for answer in answers)
        for name, (start, edit) in edits.items():
            state = clean.inputs[start].repeat_interleave(_ROWS, dim=0)
            with edit():
                logits[name] = branch_logits(clean, start, state)
            found[name] = branch_answers(clean, start, state, partial(_whichever, edit), answers)

    keep = {start for start, _ in edits.values()}
    branched_generate(model, family, inputs, work, keep=keep, **_OPTIONS)
    for name, (_, edit) in edits.items():
        with edit():
            whole = model(**inputs).logits[:, -1].float()
            with _rounded_otherwise(model, family):
                slack = float((model(**inputs).logits[:, -1].float() - whole).abs().max())
            _, forced = generate_and_score(model, inputs, _OPTIONS, clean_tokens)
        slack = _STEPS * max(slack, _LEAST * float(whole.abs().max()))
        apart = float((logits[name] - whole.repeat_interleave(_ROWS, dim=0)).abs().max())
        if not apart <= slack:
            return f"with {name}, {_TWO} differ by {apart:.2g} in a logit"
        for row, answer in enumerate(found[name]):
            wanted = forced[row // _ROWS]
            if wanted is None:  # it begins with its end
                continue
            apart = abs(float(np.mean(answer.clean_logprobs)) - wanted)
            if not apart <= 2 * slack:  # of the logit, and of the sum over all
                return f"with {name}, {_TWO} differ by {apart:.2g} in a log-probability"
    return None


def _edits(
    model: PreTrainedModel, family: Family, inputs: dict[str, torch.Tensor], layer: int
) -> dict[str, tuple[int, Edit]]:
    """Each way of a sweep by what is said of it: the first layer that is run again, the edit."""
    image = family.image_tokens(model.config, inputs["input_ids"])
    every_other = torch.arange(image.shape[1], device=image.device) % 2 == 0
    edits: dict[str, tuple[int, Edit]] = {
        "nothing changed": (0, nullcontext),
        "half of the image hidden": (
            0, partial(blocked_attention, model, family, image & every_other),
        ),
    }  # fmt: skip
    modules = dict(family.decoder(model).layers[layer].named_modules())
    halves: dict[Half, str] = {"mlp": "MLP", "attention": "attention"}
    for half, word in halves.items():
        name = f"the {word} of layer {layer} left out"
        edits[name] = (layer, partial(bypassed, model, family, layer, half))
    sites: tuple[Site, ...] = ("residual", "mlp") if "mlp.down_proj" in modules else ("residual",)
    for site in sites:
        total = n_units(model, family, layer, site)
        units = torch.arange(total, device=image.device)[None] % 2 == 0
        name = f"half of the {site} units of layer {layer} at zero"
        edits[name] = (layer, partial(ablated_units, model, family, layer, site, units))
    return edits


@contextmanager
def _rounded_otherwise(model: PreTrainedModel, family: Family) -> Iterator[None]:
    """What enters each layer is off by a step of rounding, up or down: what that alone changes.

    The largest logit tells little of it: in bfloat16 a step of that would hide any difference.
    """
    step = max(torch.finfo(model.dtype).eps, _LEAST)
    generator = torch.Generator().manual_seed(0)

    def off(
        _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        state = args[0] if args else kwargs["hidden_states"]
        drawn = torch.rand(state.shape, generator=generator).to(state.device)
        state = (state.float() * (1 + step * (2 * drawn - 1).sign())).to(state.dtype)
        if args:
            return (state, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": state}

    with ExitStack() as stack:
        for layer in family.decoder(model).layers:
            stack.callback(layer.register_forward_pre_hook(off, with_kwargs=True).remove)
        yield
