"""What `generate` is told by options and the checkpoint's generation config, and may not be.

The decoding is ours, so a setting that asks for another one would be ignored in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from vrp_tasks.errors import SetupError

_BEAMS = "reliability signals need greedy decoding, which follows one hypothesis"
_OTHER = "it changes how the answer is decoded, and this decoding is not offered"
_STATE = "its logits processor keeps a state or runs the model, so samples cannot have it"

# setting -> is it on, why that cannot be
_REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "num_beams": (lambda beams: beams > 1, _BEAMS),
    "num_return_sequences": (lambda number: number > 1, _BEAMS),
    "constraints": (bool, _BEAMS),
    "force_words_ids": (bool, _BEAMS),
    "do_sample": (bool, "reliability signals need a greedy scored answer"),
    "use_cache": (lambda used: not used, "reliability signals need the KV cache"),
    "penalty_alpha": (lambda alpha: alpha > 0, _OTHER),
    "dola_layers": (bool, _OTHER),
    "token_healing": (bool, _OTHER),
    "stop_strings": (
        bool,
        "lmms-eval's adapters give generate no tokenizer to find them with; name them as until in "
        "the task's generation_kwargs",
    ),
    "max_time": (bool, "an answer that ends by the clock is another one at each run"),
    "guidance_scale": (lambda scale: scale != 1, _STATE),
    "watermarking_config": (bool, _STATE),
    "cache_implementation": (
        lambda name: name == "quantized",
        "the samples' cache holds keys and values as they are",
    ),
}
# what makes decoding faster and leaves the greedy answer as it is
_SPEED_UPS = ("prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp")
# settings that become logits processors, and the value at which they do nothing
_PROCESSORS: dict[str, Any] = {
    "sequence_bias": None,
    "encoder_repetition_penalty": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "min_length": 0,
    "min_new_tokens": 0,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
_OVERRIDDEN = ("do_sample", "num_beams", "use_cache")  # by every adapter's own options


def served_options(model: PreTrainedModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options under which the model's `generate` does what ours relies on.

    Parameters
    ----------
    model : PreTrainedModel
        With its checkpoint's generation config.
    options : mapping
        Of `generate`; they win over the config.

    Returns
    -------
    dict
        With a cache that grows instead of a static one, and without speed-ups: the greedy answer is
        the same.

    Raises
    ------
    SetupError
        For a setting that cannot be honoured.
    """
    config = model.generation_config
    for name in _REFUSED:
        _check_setting(name, options.get(name, getattr(config, name, None)), name in options)
    served = dict(options)
    for name in _SPEED_UPS:
        if options.get(name, getattr(config, name, None)):
            served[name] = None
    if options.get("cache_implementation", config.cache_implementation) is not None:
        served["cache_implementation"] = "dynamic"
    return served


def check_generation_config(config: GenerationConfig) -> list[str]:
    """See that a checkpoint's generation config can be honoured.

    Returns
    -------
    list of str
        Its settings that are not used, and do not change the answer.
    """
    for name in _REFUSED:
        if name not in _OVERRIDDEN:
            _check_setting(name, getattr(config, name, None), False)
    return [name for name in _SPEED_UPS if getattr(config, name, None)]


def processors_of(config: GenerationConfig) -> dict[str, Any]:
    """Settings of a generation config that change logits, of the answer and of the samples."""
    stated = json.loads(config.to_json_string())
    return {
        name: stated[name]
        for name, off in _PROCESSORS.items()
        if stated.get(name) is not None and stated[name] != off
    }


def _check_setting(name: str, value: Any, asked: bool) -> None:
    is_on, why = _REFUSED[name]
    if value is not None and is_on(value):
        where = "generate was asked" if asked else "the checkpoint's generation_config.json asks"
        remedy = "the task's generation_kwargs or the model arguments" if asked else "that file"
        raise SetupError(f"{where} for {name}={value}: {why}. Remove it from {remedy}.")
