"""``lmms_eval.evaluator.evaluate``, which `simple_evaluate` calls, inside a function of ours."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from vrp_tasks.seam.served_on_access import Around

_MARK = "_vrp_stock"


def wrap_evaluate(module: ModuleType, around: Around) -> None:
    """Serve ``module.evaluate``; once."""
    stock = module.__dict__.get("evaluate")
    if stock is None or hasattr(stock, _MARK):
        return

    @functools.wraps(stock)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        return around(module, stock, args, kwargs)

    setattr(evaluate, _MARK, stock)
    module.__dict__["evaluate"] = evaluate
