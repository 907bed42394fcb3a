"""What can be wrong, found before a model is loaded, or before the first sample at the latest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    GenerationConfig,
    PretrainedConfig,
)

from vrp_tasks.access import Access, level_called
from vrp_tasks.access.identity import default_checkpoint
from vrp_tasks.access.openai import SERVERS, OpenAIAccess, missing_key
from vrp_tasks.access.vllm import ENGINES, VllmAccess, check_engine
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.plan import check_limits, check_unlimited
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.capture.generation_settings import check_generation_config
from vrp_tasks.companion import companions_among
from vrp_tasks.errors import SetupError, without_extra
from vrp_tasks.families.adapters import ADAPTERS, ANY, REFUSED, STOCK, adapters_of
from vrp_tasks.run.arguments import check_arguments, check_options, did_you_mean
from vrp_tasks.run.checkpoint_files import check_files
from vrp_tasks.run.folder import check_writable
from vrp_tasks.settings.probe_file import LoadedProbe, check_probe
from vrp_tasks.settings.run_settings import RunSettings

DEFAULT_OUTPUT = "vrp_runs"
# types whose own ``generate`` calls that of an inner model
_NESTED = ("blip-2", "instructblip", "instructblipvideo", "kosmos-2")


def check_before_loading(
    ours: Collection[str],
    asked: Mapping[str, Any],
    settings: RunSettings,
    arguments: Mapping[str, Any],
) -> None:
    """Check model id, checkpoint, settings and output folder.

    Parameters
    ----------
    ours : collection of str
        The tasks of ours that are asked for, one at least.
    asked : mapping
        Arguments of ``simple_evaluate``.
    settings : RunSettings
        Of the run.
    arguments : mapping
        The model's own arguments.

    Raises
    ------
    SetupError
        With one line that says what was wrong and what to do.
    """
    level = level_called(settings.access)
    if settings.options.subset is not None:
        check_unlimited(next(iter(ours)), asked.get("limit"), asked.get("offset", 0))
    check_limits(asked.get("limit"), asked.get("offset", 0))
    model = str(asked["model"])
    adapter = adapter_class(model)
    check_arguments(model, adapter, arguments, asked)
    check_options(adapter, asked)
    if model in REFUSED and (level is None or level.needs_family):
        raise SetupError(
            f"--model {model} cannot be looked into: {REFUSED[model]}. Use --model {ANY}, or "
            "access=text."
        )
    if model in ADAPTERS and (level is None or level.needs_family):
        pretrained = arguments.get("pretrained", default_checkpoint(adapter))
        trusted = bool(arguments.get("trust_remote_code", False))
        config = check_checkpoint(str(pretrained), model=model, trusted=trusted)
        if settings.probe is not None:
            check_probe(settings.probe, config)
        if Path(str(pretrained)).is_dir() and not trusted:
            check_files(Path(str(pretrained)))
    else:
        _check_outside(model, settings, level, arguments)
    output = output_path(asked)
    if output:
        check_writable(Path(output))


def adapter_class(model: str) -> type:
    """The class behind a model id.

    Raises
    ------
    SetupError
        If lmms-eval has no such model.
    """
    from lmms_eval.models import MODEL_REGISTRY_V2, get_model

    try:
        found: type = get_model(model)
    except ImportError as error:  # other models need other packages than those of our extra
        reason = without_extra(error) if model in ADAPTERS else error
        raise SetupError(f"--model {model} cannot be loaded: {reason}") from error
    except (ValueError, KeyError) as error:
        known = MODEL_REGISTRY_V2.list_model_names()
        if model in known:
            raise SetupError(f"--model {model} cannot be loaded: {error}") from error
        raise SetupError(
            f"--model {model} cannot be loaded: lmms-eval has no model of that name."
            f"{did_you_mean(model, known)} Those that can be looked into: {', '.join(ADAPTERS)}."
        ) from error
    return found


def _check_outside(
    model: str,
    settings: RunSettings,
    level: type[Access] | None,
    arguments: Mapping[str, Any],
) -> None:
    """What a model that is not looked into cannot be asked for."""
    inside = ", ".join(sorted(ADAPTERS))
    if level is not None and level.needs_family:
        raise SetupError(
            f"access={level.level} cannot be had through --model {model}; models that can be "
            f"looked into: {inside}. Leave access out for what can be seen from outside."
        )
    for of, what, models in (
        (OpenAIAccess, "servers", SERVERS),
        (VllmAccess, "vLLM in this process", ENGINES),
    ):
        if level is of and model not in models:
            raise SetupError(
                f"access={of.level} cannot be had through --model {model}; it is for {what}: "
                f"--model {', '.join(models)}."
            )
    if settings.probe is not None:
        raise SetupError(
            f"probe=… needs hidden states, and --model {model} gives none here. Models that can "
            f"be looked into: {inside}."
        )
    if model in ENGINES:
        check_engine(model, arguments)
    if model in SERVERS and (missing := missing_key(model, arguments)) is not None:
        raise SetupError(missing)


def output_path(asked: Mapping[str, Any]) -> str | None:
    """Where a run's folder goes: as told, on the command line or by the tracker.

    A command line that says nothing gets `DEFAULT_OUTPUT`; a call from Python that names none
    keeps nothing.
    """
    cli, tracker = asked.get("cli_args"), asked.get("evaluation_tracker")
    told = getattr(cli, "output_path", None) or getattr(tracker, "output_path", None)
    return told or (None if cli is None else DEFAULT_OUTPUT)


def check_checkpoint(pretrained: str, *, model: str, trusted: bool = False) -> PretrainedConfig:
    """Read a checkpoint's config and see that this adapter can probe it."""
    looks_like_path = pretrained.startswith((".", "/", "~")) or pretrained.count("/") > 1
    if looks_like_path and not Path(pretrained).is_dir():
        raise SetupError(
            f"pretrained={pretrained} is not a folder. Check the path, or give a hub id."
        )
    try:
        config = AutoConfig.from_pretrained(pretrained, trust_remote_code=trusted)
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise SetupError(
                f"pretrained={pretrained} needs code that comes with the checkpoint. If you trust "
                f"it, --model {ANY} runs it with trust_remote_code=true."
            ) from error
        raise SetupError(
            f"pretrained={pretrained}: no readable checkpoint config there "
            f"({str(error).splitlines()[0]}). Check the path or hub id."
        ) from error
    check_type(config, pretrained, model=model)
    try:
        generation = GenerationConfig.from_pretrained(pretrained)
    except (OSError, ValueError):  # none there, or one that loading the model complains of
        return config
    check_generation_config(generation)
    return config


def check_type(config: PretrainedConfig, pretrained: str, *, model: str) -> None:
    """See that an adapter loads checkpoints of this type, and that they can be looked into.

    Raises
    ------
    SetupError
        With the adapter to use instead, or why there is none.
    """
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise SetupError(
            f"pretrained={pretrained} is a {kind!r} checkpoint, with an encoder and a decoder: the "
            "decoder does not attend to the prompt itself. Use access=text."
        )
    if kind in _NESTED:
        raise SetupError(
            f"pretrained={pretrained} is a {kind!r} checkpoint, whose generate runs a second model "
            "inside, out of our sight. Use access=text."
        )
    if model != ANY and kind not in STOCK[model]:
        takes = " or ".join(map(repr, STOCK[model]))
        raise SetupError(
            f"pretrained={pretrained} is a {kind!r} checkpoint, --model {model} takes {takes}. "
            f"Use --model {adapters_of(kind)[0]}."
        )
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise SetupError(
            f"pretrained={pretrained} is a {kind!r} checkpoint, which takes no image: transformers "
            "has no image-text-to-text model of that type."
        )


def check_unseen(
    loaded: LoadedProbe, tasks: Mapping[str, Any], docs: Mapping[str, Collection[str]]
) -> None:
    """Raise SetupError unless some document of a run has images that a probe was not fitted on."""
    if not any(docs.values()):
        return
    for name, task in tasks.items():
        for doc in docs[name]:
            if not loaded.has_seen(content_hashes(task, task.eval_docs[int(doc)])):
                return
    raise SetupError(
        f"the probe fitted on {loaded.task} and {loaded.model} has seen the images of all samples "
        f"of {', '.join(tasks)}, so it could score none. Score other images, or leave out the "
        "model argument probe."
    )


def check_companions(access: Access, tasks: Mapping[str, Any]) -> None:
    """Check, with model and data loaded, what tasks ask for beside the observation."""
    for name, task in tasks.items():
        keys = given_keys(task.config.metadata["vrp"])
        for key, companion in companions_among(keys).items():
            if key not in access.companions:
                raise SetupError(
                    f"task {name}: {key} needs to look into the model, and this run has access "
                    f"to its {access.level} alone. Models that can be looked into: "
                    f"{', '.join(sorted(ADAPTERS))}."
                )
            companion.check(access, name, keys)
