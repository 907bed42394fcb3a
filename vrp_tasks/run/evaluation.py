"""Around lmms-eval's ``simple_evaluate`` and ``evaluate``: checks before, a session during it.

A run without our tasks passes straight through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from loguru import logger

from vrp_tasks.access import access_to
from vrp_tasks.attach.plan import plan_tasks
from vrp_tasks.attach.preflight import check_asked, tasks_asked_for
from vrp_tasks.attach.running import running
from vrp_tasks.run.answering import Answering
from vrp_tasks.run.arguments import check_form
from vrp_tasks.run.exits import errors_in_one_line, kept_is_said, terminated_as_interrupted
from vrp_tasks.run.preflight import (
    DEFAULT_OUTPUT,
    check_before_loading,
    check_companions,
    check_unseen,
    output_path,
)
from vrp_tasks.run.session import Session
from vrp_tasks.seam.document_identity import told_documents
from vrp_tasks.seam.evaluator import wrap_evaluate
from vrp_tasks.seam.generate_until import served_generate_until
from vrp_tasks.seam.model_arguments import parsed, with_device, without
from vrp_tasks.seam.response_cache import uncached
from vrp_tasks.settings.run_settings import NAMES, RunSettings, settings_of


@dataclass(frozen=True)
class _Outer:
    """What ``simple_evaluate`` was asked that ``evaluate`` is not told."""

    settings: RunSettings = field(default_factory=RunSettings)
    output: str | None = None
    arguments: dict[str, Any] | None = None


_outer: list[_Outer] = []


def run_evaluation(
    module: ModuleType, stock: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call ``simple_evaluate`` with our checks around it; what ends a run of ours is one line."""
    wrap_evaluate(module, _evaluate)
    asked = inspect.signature(stock).bind(*args, **kwargs).arguments
    with errors_in_one_line(asked.get("cli_args")):
        ours = tasks_asked_for(asked)
    if not ours:
        return stock(**asked)
    with errors_in_one_line(asked.get("cli_args")):
        return _run_ours(ours, asked, stock)


def _run_ours(
    ours: dict[str, dict[str, Any]], asked: dict[str, Any], stock: Callable[..., Any]
) -> Any:
    check_asked(ours, asked)
    check_form(asked)
    settings = settings_of(parsed(asked.get("model_args")))
    if isinstance(asked.get("model"), str):
        asked["model_args"] = without(asked.get("model_args"), NAMES)
        check_before_loading(ours, asked, settings, parsed(asked["model_args"]))
        with_device(asked)
    output = output_path(asked)
    if output == DEFAULT_OUTPUT:
        logger.info(f"Reliability records go to ./{output}; --output_path says where else.")
    with _asked(_Outer(settings, output, _arguments(asked))):
        return stock(**asked)


def _arguments(asked: dict[str, Any]) -> dict[str, Any] | None:
    """What lmms-eval makes the model with; None where it is given one."""
    if not isinstance(asked.get("model"), str):
        return None
    beside = {name: asked.get(name) for name in ("batch_size", "max_batch_size", "device")}
    given = {name: value for name, value in beside.items() if value is not None}
    return given | parsed(asked.get("model_args"))


@contextmanager
def _asked(outer: _Outer) -> Iterator[None]:
    _outer.append(outer)
    try:
        yield
    finally:
        _outer.pop()


def _evaluate(
    module: ModuleType, stock: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call ``evaluate`` with a session during it, if tasks of ours are among those asked for."""
    asked = inspect.signature(stock).bind(*args, **kwargs).arguments
    lm, tasks = asked["lm"], _our_tasks(asked["task_dict"])
    if not tasks:
        return stock(*args, **kwargs)
    outer = _outer[-1] if _outer else _Outer()
    access = access_to(lm, outer.settings, lm.generate_until, outer.arguments)
    access.check_tasks(tasks)
    check_companions(access, tasks)
    plans = plan_tasks(
        outer.settings.options, tasks, limit=asked.get("limit"), offset=asked.get("offset", 0)
    )
    if outer.settings.probe is not None:
        check_unseen(outer.settings.probe, tasks, {n: plan.docs for n, plan in plans.items()})
    tags = getattr(asked.get("cli_args"), "reasoning_tags", None)
    session = Session(access, tasks, plans, output=outer.output, reasoning_tags=tags)
    with ExitStack() as stack:
        stack.callback(session.close)
        stack.enter_context(kept_is_said(session))
        stack.enter_context(terminated_as_interrupted())
        stack.enter_context(running(session))
        stack.enter_context(told_documents(module))
        stack.enter_context(session.scoring())
        stack.enter_context(_past_the_cache(asked.get("response_cache"), session))
        stack.enter_context(served_generate_until(lm, Answering(session, access)))
        results = stock(*args, **kwargs)
        session.finish()
    return results


@contextmanager
def _past_the_cache(cache: Any, session: Session) -> Iterator[None]:
    """Answers of ours are in run folders, with what was seen beside them: no cache has that."""
    if cache is not None:
        logger.info(
            f"--use_cache is not used for {', '.join(session.tasks)}: their answers are taken over "
            "from earlier runs in the same --output_path."
        )
    with uncached(cache, lambda request: session.owns(request.task_name)):
        yield


def _our_tasks(task_dict: dict[str, Any]) -> dict[str, Any]:
    from lmms_eval.evaluator_utils import get_task_list

    return {
        output.task_name: output.task
        for output in get_task_list(task_dict)
        if _is_ours(output.task)
    }


def _is_ours(task: Any) -> bool:
    metadata = getattr(getattr(task, "config", None), "metadata", None)
    return isinstance(metadata, dict) and bool(metadata.get("vrp"))
