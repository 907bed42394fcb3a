"""What stands at ``grounding`` and ``regions`` of a task's ``metadata.vrp``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from vrp_tasks.attach.settings import function_at
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.numbers import is_count

Annotate = Callable[[Any], Mapping[str, Any] | None]


@dataclass(frozen=True)
class GroundingSettings:
    """How a task's maps are made and what is done beside them.

    Attributes
    ----------
    words : str or None
        Regular expression with one group: the part of the prompt's text whose content words count.
        Without one, the text less the task's ``pre_prompt`` and ``post_prompt``.
    occlusion : bool
        Whether regions are blanked after the clean pass.
    examples : int
        Samples per rank whose maps are kept whole for the report.
    seed : int
        Of the place that is blanked instead of a region.
    """

    words: str | None = None
    occlusion: bool = True
    examples: int = 48
    seed: int = 0

    @classmethod
    def of(cls, options: Any, *, task: str) -> GroundingSettings:
        """From the metadata; SetupError for what cannot be meant."""
        if options is not True and not isinstance(options, Mapping):
            raise SetupError(
                f"{task}: grounding must be true or a mapping of settings, got {options!r}."
            )
        given = {} if options is True else options
        known = [field.name for field in fields(cls)]
        odd = sorted(set(given) - set(known))
        if odd:
            raise SetupError(
                f"{task}: grounding has no setting {', '.join(odd)}. Settings: {', '.join(known)}."
            )
        settings = cls(**given)
        if not isinstance(settings.occlusion, bool):
            raise SetupError(
                f"{task}: grounding.occlusion must be true or false, got {settings.occlusion!r}."
            )
        for name in ("examples", "seed"):
            value = getattr(settings, name)
            if not is_count(value, 0):
                raise SetupError(
                    f"{task}: grounding.{name} must be an integer >= 0, got {value!r}."
                )
        try:
            groups = re.compile(settings.words or "()").groups
        except (re.error, TypeError) as error:
            raise SetupError(
                f"{task}: grounding.words is no regular expression: {error}."
            ) from None
        if groups != 1:
            raise SetupError(f"{task}: grounding.words must have one group, it has {groups}.")
        return settings


def regions_of(settings: Mapping[str, Any], *, task: str) -> Annotate | None:
    """The task's function from a document to its annotation, or None where it names none."""
    path = settings.get("regions")
    if path is None:
        return None
    try:
        return function_at(str(path))
    except (ImportError, AttributeError, ValueError) as error:
        raise SetupError(
            f"{task}: regions names {path!r}, which cannot be imported ({error}). "
            'Write "package.module:function".'
        ) from None


def question_in(text: str, settings: GroundingSettings, prompts: Mapping[str, Any]) -> str:
    """The part of a prompt's text whose content words count; empty if the pattern is not in it.

    Parameters
    ----------
    text : str
        What the task asks, as the adapter gets it.
    settings : GroundingSettings
    prompts : mapping
        lmms-eval's ``lmms_eval_specific_kwargs`` of the task.
    """
    if settings.words is not None:
        found = re.search(settings.words, text, re.DOTALL)
        return found.group(1) if found else ""
    before, after = (str(prompts.get(key) or "") for key in ("pre_prompt", "post_prompt"))
    text = text.removeprefix(before).removeprefix(before.strip())
    return text.removesuffix(after).removesuffix(after.strip())
