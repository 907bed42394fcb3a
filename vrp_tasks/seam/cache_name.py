"""What transformers calls the key-value cache: ``past_key_values``, and ``cache`` from 5.24 on."""

from __future__ import annotations

from dataclasses import fields

from transformers.modeling_outputs import CausalLMOutputWithPast

# The keyword of models, of their layers and of what they return.
CACHE = next(
    field.name
    for field in fields(CausalLMOutputWithPast)
    if field.name in ("cache", "past_key_values")
)
