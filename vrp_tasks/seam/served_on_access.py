"""A function of a module, served inside one of ours to whoever asks the module for it.

The entry point runs while lmms-eval's modules are still being executed, when there is no function
yet to wrap; a module's class may be replaced at any time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

# (module, stock function, positional and keyword arguments) -> what the function returns
Around = Callable[[ModuleType, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


def serve_on_access(module: ModuleType, name: str, around: Callable[[], Around]) -> None:
    """Serve a function by what ``around`` gives, looked up at the first call; once a module.

    The module's own functions look it up past this, and find the stock one.
    """
    if type(module) is not ModuleType:
        return

    def get(self: ModuleType) -> Callable[..., Any]:
        stock = self.__dict__.get(name)
        if stock is None:
            raise AttributeError(f"{self.__name__}.{name} is not there yet: it is being imported")

        @functools.wraps(stock)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around()(self, stock, args, kwargs)

        return wrapped

    def put(self: ModuleType, function: Callable[..., Any]) -> None:
        self.__dict__[name] = function

    module.__class__ = type("ServingModule", (ModuleType,), {name: property(get, put)})
