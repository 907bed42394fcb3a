"""Tried on a model that nobody declared: that a pass can be left at a layer and taken up again.

What is compared is the naive way, the whole model under the same edits, on two prompts about noise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.trial import trial_inputs
from vrp_tasks.families import Family
from vrp_tasks.faults import ends_run, reason_of
from vrp_tasks.interventions.ablation import bypassed
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import Answer, branch_answers, branched_generate
from vrp_tasks.interventions.checks import cache_complaint
from vrp_tasks.interventions.clean_pass import CleanPass

_ROWS = 2  # of each prompt
_STEPS = 64  # of rounding, relative to the largest logit
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
    """What branches and the whole model do not agree on, over the first answer token."""
    n_layers = len(family.decoder(model).layers)
    image = family.image_tokens(model.config, inputs["input_ids"])
    hidden = image & (torch.arange(image.shape[1], device=image.device) % 2 == 0)
    layer = n_layers // 2
    edits: dict[str, tuple[int, Edit]] = {
        "nothing changed": (0, nullcontext),
        f"the MLP of layer {layer} left out": (
            layer, partial(bypassed, model, family, layer, "mlp"),
        ),
        "half of the image hidden": (0, partial(blocked_attention, model, family, hidden)),
    }  # fmt: skip
    found: dict[str, list[Answer]] = {}

    def work(clean: CleanPass, answers: list[Answer]) -> None:
        for name, (start, edit) in edits.items():
            state = clean.inputs[start].repeat_interleave(_ROWS, dim=0)
            found[name] = branch_answers(clean, start, state, partial(_whichever, edit), answers)

    keep = {start for start, _ in edits.values()}
    sequences = branched_generate(model, family, inputs, work, keep=keep, **_OPTIONS)
    first = sequences[:, inputs["input_ids"].shape[1]]
    for name, (_, edit) in edits.items():
        with edit():
            logits = model(**inputs).logits[:, -1].float()
        wanted = logits.log_softmax(dim=-1).gather(1, first[:, None]).flatten().tolist()
        slack = _STEPS * max(torch.finfo(model.dtype).eps, 1e-6) * float(logits.abs().max())
        for row, answer in enumerate(found[name]):
            if not answer.clean_logprobs:  # it begins with its end
                continue
            apart = abs(answer.clean_logprobs[0] - wanted[row // _ROWS])
            if not apart <= slack:
                return (
                    f"with {name}, its layers run on their own and the whole model differ by "
                    f"{apart:.2g} in a log-probability"
                )
    return None
