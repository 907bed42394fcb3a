"""``lmms_eval.evaluator``: ``simple_evaluate`` and ``evaluate`` inside functions of ours.

The entry point runs while that module is still being executed, when there is no function yet to
wrap; a module's class may be replaced at any time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

# (module, stock function, positional and keyword arguments) -> what the function returns
Around = Callable[[ModuleType, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
_MARK = "_vrp_stock"


def wrap_simple_evaluate(module: ModuleType, around: Callable[[], Around]) -> None:
    """Serve ``module.simple_evaluate`` by what ``around`` gives, looked up at the first call."""
    if type(module) is not ModuleType:
        return

    class EvaluatorModule(ModuleType):
        """The module with `simple_evaluate` wrapped on access."""

        @property
        def simple_evaluate(self) -> Callable[..., Any]:
            """The stock function inside ours."""
            stock = self.__dict__.get("simple_evaluate")
            if stock is None:
                raise AttributeError("lmms_eval.evaluator is not fully imported yet")

            @functools.wraps(stock)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return around()(self, stock, args, kwargs)

            return wrapped

        @simple_evaluate.setter
        def simple_evaluate(self, function: Callable[..., Any]) -> None:
            self.__dict__["simple_evaluate"] = function

    module.__class__ = EvaluatorModule


def wrap_evaluate(module: ModuleType, around: Around) -> None:
    """Serve ``module.evaluate``, which `simple_evaluate` calls; once."""
    stock = module.__dict__.get("evaluate")
    if stock is None or hasattr(stock, _MARK):
        return

    @functools.wraps(stock)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        return around(module, stock, args, kwargs)

    setattr(evaluate, _MARK, stock)
    module.__dict__["evaluate"] = evaluate
