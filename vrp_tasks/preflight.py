"""What can be wrong, found before a model is loaded, or before the first sample at the latest."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from loguru import logger
from transformers import AutoConfig, GenerationConfig, PretrainedConfig

from vrp_tasks.attach.plan import check_unlimited
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.capture import CaptureSettings
from vrp_tasks.capture.generation_settings import check_generation_config
from vrp_tasks.errors import SetupError
from vrp_tasks.families import FAMILIES, Family, family_of
from vrp_tasks.probe_file import LoadedProbe, load_probe
from vrp_tasks.registration import ADAPTERS
from vrp_tasks.run_folder import check_writable
from vrp_tasks.run_options import run_options_from

LOOKED_AT = 100  # documents, for one that shows an image


def check_before_loading(ours: Collection[str], asked: Mapping[str, Any]) -> None:
    """Check model id, checkpoint, settings and output folder.

    Parameters
    ----------
    ours : collection of str
        The tasks of ours that are asked for, one at least.
    asked : mapping
        Arguments of ``simple_evaluate``.

    Raises
    ------
    SetupError
        With one line that says what was wrong and what to do.
    """
    first = next(iter(ours))
    model = asked.get("model")
    if not isinstance(model, str):
        return
    adapter = ADAPTERS.get(model)
    if adapter is None:
        raise SetupError(
            f"--model {model} cannot be probed, and {first} needs a probed model. "
            f"Models that can: {', '.join(sorted(ADAPTERS))}."
        )
    from lmms_eval.utils import simple_parse_args_string

    given = asked.get("model_args") or {}
    arguments = simple_parse_args_string(given) if isinstance(given, str) else dict(given)
    module, name = str(adapter[0]).rsplit(".", 1)
    adapter_class = getattr(importlib.import_module(module), name)
    settings_from(arguments)
    if run_options_from(arguments).subset is not None:
        check_unlimited(first, asked.get("limit"), asked.get("offset", 0))
    loaded = probe_from(arguments)
    pretrained = arguments.get("pretrained", adapter_class.default_checkpoint())
    config = check_checkpoint(str(pretrained), adapter_class.family_type, model=model)
    if loaded is not None:
        check_probe(loaded, config)
    output = output_path(asked)
    if output:
        check_writable(Path(output))


def output_path(asked: Mapping[str, Any]) -> str | None:
    """Where ``simple_evaluate`` was told to write, on the command line or by its tracker."""
    cli, tracker = asked.get("cli_args"), asked.get("evaluation_tracker")
    return getattr(cli, "output_path", None) or getattr(tracker, "output_path", None)


def settings_from(arguments: dict[str, Any]) -> tuple[CaptureSettings, str]:
    """Take our settings out of model arguments.

    Returns
    -------
    settings : CaptureSettings
    hidden_dtype : {"float16", "float32", "none"}
    """
    defaults = CaptureSettings()
    hidden_dtype = str(arguments.pop("hidden_dtype", "float16")).lower()
    if hidden_dtype not in ("float16", "float32", "none"):
        raise SetupError(
            f"model argument hidden_dtype must be float16, float32 or none, got {hidden_dtype!r}."
        )
    values: dict[str, Any] = {}
    for argument, field, kind in (
        ("k", "k", int),
        ("sample_temperature", "temperature", float),
        ("sample_top_p", "top_p", float),
        ("sample_seed", "seed", int),
        ("top_heads", "top_heads", int),
        ("blank_image", "blank_image", _flag),
    ):
        raw = arguments.pop(argument, getattr(defaults, field))
        try:
            values[field] = kind(raw)
        except (TypeError, ValueError):
            legal = "true or false" if kind is _flag else "a number"
            raise SetupError(f"model argument {argument} must be {legal}, got {raw!r}.") from None
    return CaptureSettings(**values), hidden_dtype


def probe_from(arguments: dict[str, Any]) -> LoadedProbe | None:
    """Take the model argument ``probe`` out of the others and read the probe it names."""
    path = arguments.pop("probe", None)
    return None if path is None else load_probe(Path(str(path)))


def check_probe(loaded: LoadedProbe, config: PretrainedConfig) -> None:
    """Raise SetupError unless a loaded probe was fitted on a model of this shape."""
    probe, text = loaded.probe, config.get_text_config()
    if (probe.n_layers_stored, probe.d_model) != (text.num_hidden_layers + 1, text.hidden_size):
        raise SetupError(
            f"the probe fitted on {loaded.task} and {loaded.model} reads "
            f"{probe.n_layers_stored - 1} layers of {probe.d_model} dimensions, this model has "
            f"{text.num_hidden_layers} of {text.hidden_size}. Give one fitted on such a model."
        )


def _flag(value: Any) -> bool:
    """A truth value as lmms-eval's argument parser may leave it."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(value)
    return known[str(value).lower()]


def check_checkpoint(pretrained: str, model_type: str, *, model: str) -> PretrainedConfig:
    """Read a checkpoint's config and see that this adapter can probe it."""
    looks_like_path = pretrained.startswith((".", "/", "~")) or pretrained.count("/") > 1
    if looks_like_path and not Path(pretrained).is_dir():
        raise SetupError(
            f"pretrained={pretrained} is not a folder. Check the path, or give a hub id."
        )
    try:
        config = AutoConfig.from_pretrained(pretrained)
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(
            f"pretrained={pretrained}: no readable checkpoint config there "
            f"({str(error).splitlines()[0]}). Check the path or hub id."
        ) from error
    if config.model_type != model_type:
        raise SetupError(
            f"pretrained={pretrained} is a {config.model_type!r} checkpoint, --model {model} "
            f"takes {model_type!r}. {_suggestion(config.model_type)}"
        )
    check_decoder(config)
    try:
        generation = GenerationConfig.from_pretrained(pretrained)
    except (OSError, ValueError):  # none there, or one that loading the model complains of
        return config
    check_generation_config(generation)
    return config


def check_decoder(config: PretrainedConfig) -> Family:
    """The family of a config whose decoder the capture is tested with."""
    family = family_of(config)
    text_type = config.get_text_config().model_type
    if text_type not in family.text_types:
        raise SetupError(
            f"a {config.model_type} checkpoint with a {text_type!r} decoder cannot be probed. "
            f"Decoders that can: {', '.join(family.text_types)}."
        )
    return family


def _suggestion(model_type: str) -> str:
    ids = {"llava": "llava_hf", "qwen2_vl": "qwen2_vl", "paligemma": "paligemma"}
    if model_type in ids:
        return f"Use --model {ids[model_type]}."
    return f"Types that can be probed: {', '.join(sorted(FAMILIES))}."


def first_visuals(task: Any) -> list[Any] | None:
    """What the first document with an image shows; None if there is none among the first."""
    docs = task.task_docs
    shown = (task.doc_to_visual(docs[row]) for row in range(min(LOOKED_AT, len(docs))))
    return next((visuals for visuals in shown if visuals), None)


def check_tasks(lm: Any, tasks: dict[str, Any]) -> None:
    """Check, with model and data loaded, that every task of ours can be probed on this model."""
    from vrp_tasks.adapters.base import ProbedAdapter
    from vrp_tasks.companions import companions_among

    first = next(iter(tasks))
    if not isinstance(lm, ProbedAdapter):
        raise SetupError(
            f"{type(lm).__name__} cannot be probed, and {first} needs a probed model. "
            f"Models that can: {', '.join(sorted(ADAPTERS))}."
        )
    check_decoder(lm.model.config)
    for unused in check_generation_config(lm.model.generation_config):
        logger.warning(
            f"{unused} of the checkpoint's generation config is not used for probed answers: it "
            "makes decoding faster and leaves answers as they are."
        )
    for name, task in tasks.items():
        if first_visuals(task) is None:
            raise SetupError(
                f"task {name} has no image in its first {LOOKED_AT} documents, so there is nothing "
                "to probe. Check its doc_to_visual."
            )
        keys = given_keys(task.config.metadata["vrp"])
        for companion in companions_among(keys).values():
            companion.check(lm.model, name, keys)
