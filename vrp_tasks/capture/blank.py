"""The state a model has when it is asked about a blank image: a control, not a signal.

What a probe reads there, it reads from the question alone.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.families import Family


def blank_states(
    model: PreTrainedModel, family: Family, input_ids: torch.Tensor, model_kwargs: dict[str, Any]
) -> torch.Tensor:
    """States of the last prompt token with every pixel at the processor's mean colour.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    input_ids : int64 tensor, shape (B, T)
        Prompts.
    model_kwargs : dict
        What `generate` prepared; left as it is.

    Returns
    -------
    float32 tensor, shape (n_layers + 1, B, d_model)
    """
    pixels = model_kwargs["pixel_values"]
    kwargs = {
        **model_kwargs,
        "pixel_values": torch.zeros_like(pixels),  # processors subtract the mean colour
        "past_key_values": DynamicCache(config=model.config.get_text_config()),
    }
    batch, length = input_ids.shape
    recorder = Recorder(family.decoder(model), batch_size=batch, prompt_length=length)
    with recorder.attached():
        prepared = model.prepare_inputs_for_generation(input_ids, is_first_iteration=True, **kwargs)
        model(**prepared, return_dict=True)
    recorder.take_prompt()
    return recorder.last_prompt
