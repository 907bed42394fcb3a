"""The state a model has when it is asked about a blank image: a control, not a signal.

What a probe reads there, it reads from the question alone.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.families import Family


def blank_states(
    model: PreTrainedModel, family: Family, inputs: dict[str, torch.Tensor], **options: Any
) -> torch.Tensor:
    """States of the last prompt token with every pixel at the processor's mean colour.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    inputs : dict of tensor
        As for `probed_generate`, B prompts.
    **options
        Options of `generate`.

    Returns
    -------
    float32 tensor, shape (n_layers + 1, B, d_model)
    """
    found: list[torch.Tensor] = []

    def read_prompt(
        model: PreTrainedModel, input_ids: torch.Tensor, *_: Any, **kwargs: Any
    ) -> torch.Tensor:
        batch, length = input_ids.shape
        recorder = Recorder(
            family.decoder(model), batch_size=batch, prompt_length=length,
            all_attend=family.all_layers_attend,
        )  # fmt: skip
        with recorder.attached():
            kwargs = {name: kwargs[name] for name in kwargs if name not in _NOT_MODEL_INPUTS}
            prepared = model.prepare_inputs_for_generation(
                input_ids, is_first_iteration=True, **kwargs
            )
            model(**prepared, return_dict=True)
        recorder.take_prompt()
        found.append(recorder.last_prompt)
        return input_ids

    # processors subtract the mean colour, so it is zero
    blank = {**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])}
    model.generate(**blank, **options, custom_generate=read_prompt)
    return found[0]


_NOT_MODEL_INPUTS = ("logits_processor", "stopping_criteria", "generation_config")
