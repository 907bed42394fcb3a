"""Around lmms-eval's ``simple_evaluate`` and ``evaluate``: checks before, a session during it.

A run without our tasks passes straight through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from vrp_tasks.attach.plan import plan_tasks
from vrp_tasks.attach.preflight import check_asked, tasks_asked_for
from vrp_tasks.errors import SetupError
from vrp_tasks.preflight import check_before_loading, check_tasks, output_path
from vrp_tasks.session import Session
from vrp_tasks.session_state import sessions


def run_evaluation(module: ModuleType, stock: Callable, args: tuple, kwargs: dict) -> Any:
    """Call ``simple_evaluate`` with our checks around it.

    From the command line a SetupError becomes one line on stderr and exit code 1 (lmms-eval itself
    would print a traceback and exit with 0).
    """
    if "evaluate" in module.__dict__ and not hasattr(module.__dict__["evaluate"], "_vrp_stock"):
        module.__dict__["evaluate"] = _wrap_evaluate(module.__dict__["evaluate"])
    asked = inspect.signature(stock).bind(*args, **kwargs).arguments
    cli = asked.get("cli_args")
    try:
        ours = tasks_asked_for(asked)
        if ours:
            check_asked(ours, asked)
            check_before_loading(ours, asked)
        with _output_path(output_path(asked)):
            return stock(**asked)
    except SetupError as error:
        if cli is None:
            raise
        raise SystemExit(f"vrp-tasks: {error}") from error


_outputs: list[str | None] = []


@contextmanager
def _output_path(path: str | None) -> Iterator[None]:
    _outputs.append(path)
    try:
        yield
    finally:
        _outputs.pop()


def _wrap_evaluate(stock: Callable) -> Callable:
    def evaluate(lm: Any, task_dict: dict, *args: object, **kwargs: object) -> Any:
        from lmms_eval.evaluator_utils import get_task_list

        tasks = {
            output.task_name: output.task
            for output in get_task_list(task_dict)
            if _is_ours(output.task)
        }
        if not tasks:
            return stock(lm, task_dict, *args, **kwargs)
        check_tasks(lm, tasks)
        asked = inspect.signature(stock).bind(lm, task_dict, *args, **kwargs).arguments
        plans = plan_tasks(lm, tasks, limit=asked.get("limit"), offset=asked.get("offset", 0))
        if lm.loaded_probe is not None:
            lm.loaded_probe.check_unseen(tasks, {name: plan.rows for name, plan in plans.items()})
        session = Session(lm, tasks, plans, output=_outputs[-1] if _outputs else None)
        sessions.append(session)
        try:
            results = stock(lm, task_dict, *args, **kwargs)
            session.finish()
        finally:
            session.close()
            sessions.remove(session)
        return results

    evaluate._vrp_stock = stock  # type: ignore[attr-defined]
    return evaluate


def _is_ours(task: Any) -> bool:
    metadata = getattr(getattr(task, "config", None), "metadata", None)
    return isinstance(metadata, dict) and bool(metadata.get("vrp"))
