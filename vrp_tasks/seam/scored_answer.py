"""What lmms-eval makes of a generated answer before the task's scorer sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lmms_eval.api.reasoning import parse_reasoning_tags_config, strip_reasoning_tags
from lmms_eval.filters.transformation import StripThinkingFilter


def filtered(pipeline: Any, doc: Any, answer: str) -> str:
    """One answer through a filter pipeline of lmms-eval."""
    one = SimpleNamespace(resps=[answer], doc=doc, filtered_resps={})
    pipeline.apply([one], [doc])
    found = one.filtered_resps[pipeline.name]
    while isinstance(found, list | tuple) and found:
        found = found[0]
    return str(found)


def as_scored(task: Any, doc: Any, answer: str, *, cli_tags: Any) -> str:
    """The answer through the task's first filter and without reasoning, as it is scored.

    Parameters
    ----------
    task : lmms-eval task
        Has filters and, maybe, reasoning tags of its own.
    doc : mapping
        The document.
    answer : str
        As the adapter returns it.
    cli_tags : object
        ``--reasoning_tags`` as the command line has it; None outside one.
    """
    own = getattr(task.config, "reasoning_tags", None)
    tags = parse_reasoning_tags_config(cli_value=cli_tags, task_value=own)
    found = answer
    if tags is None and getattr(task.config, "auto_strip_thinking", False):
        found = StripThinkingFilter().apply([[answer]], [doc])[0][0]
    if getattr(task, "_filters", None):
        found = filtered(task._filters[0], doc, found)
    return found if tags is None else str(strip_reasoning_tags(found, tags))
