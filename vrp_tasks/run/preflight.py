"""What can be wrong, found before a model is loaded, or before the first sample at the latest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, GenerationConfig, PretrainedConfig

from vrp_tasks.access import Access, level_called
from vrp_tasks.access.openai import SERVERS, OpenAIAccess, missing_key
from vrp_tasks.access.transformers import default_checkpoint
from vrp_tasks.attach.groups import content_hashes
from vrp_tasks.attach.plan import check_unlimited
from vrp_tasks.attach.settings import given_keys
from vrp_tasks.capture.generation_settings import check_generation_config
from vrp_tasks.companion import companions_among
from vrp_tasks.errors import SetupError, without_extra
from vrp_tasks.families import FAMILIES, Family, family_of
from vrp_tasks.run.folder import check_writable
from vrp_tasks.settings.probe_file import LoadedProbe, check_probe
from vrp_tasks.settings.run_settings import RunSettings

DEFAULT_OUTPUT = "vrp_runs"
# model id of lmms-eval -> families whose checkpoints are probed through it
ADAPTERS: dict[str, list[Family]] = {}
for _family in FAMILIES.values():
    for _name in _family.adapters:
        ADAPTERS.setdefault(_name, []).append(_family)


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
    model = str(asked["model"])
    adapter = adapter_class(model)
    if model in ADAPTERS and (level is None or level.needs_family):
        pretrained = arguments.get("pretrained", default_checkpoint(adapter))
        config = check_checkpoint(str(pretrained), model=model)
        if settings.probe is not None:
            check_probe(settings.probe, config)
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
    from lmms_eval.models import get_model

    try:
        found: type = get_model(model)
    except ImportError as error:  # other models need other packages than those of our extra
        reason = without_extra(error) if model in ADAPTERS else error
        raise SetupError(f"--model {model} cannot be loaded: {reason}") from error
    except (ValueError, KeyError) as error:
        raise SetupError(f"--model {model} cannot be loaded: {error}") from error
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
    if level is OpenAIAccess and model not in SERVERS:
        raise SetupError(
            f"access={level.level} cannot be had through --model {model}; it is for servers: "
            f"--model {', '.join(SERVERS)}."
        )
    if settings.probe is not None:
        raise SetupError(
            f"probe=… needs hidden states, and --model {model} gives none here. Models that can "
            f"be looked into: {inside}."
        )
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


def check_checkpoint(pretrained: str, *, model: str) -> PretrainedConfig:
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
    types = [family.model_type for family in ADAPTERS[model]]
    if config.model_type not in types:
        raise SetupError(
            f"pretrained={pretrained} is a {config.model_type!r} checkpoint, --model {model} "
            f"takes {' or '.join(map(repr, types))}. {_suggestion(config.model_type)}"
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
    family = FAMILIES.get(model_type)
    if family is not None:
        return f"Use --model {family.adapters[0]}."
    return (
        f"Types that can be probed: {', '.join(sorted(FAMILIES))}; access=text takes any that "
        "the adapter can load."
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
