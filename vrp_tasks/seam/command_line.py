"""``lmms_eval.__main__``: what a command asks for, and each of its runs inside one of ours."""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_RUN = "cli_evaluate_single"


def asked_of(module: ModuleType, given: Namespace | None) -> Namespace:
    """The command line as ``cli_evaluate`` is going to read it."""
    _, read = module.parse_eval_args()
    return Namespace(**{**vars(read), **({} if given is None else vars(given))})


@contextmanager
def runs_inside(
    module: ModuleType, around: Callable[[Callable[..., Any], Namespace], Any]
) -> Iterator[None]:
    """Serve each run of a command, one or those of its config file, by what ``around`` returns.

    ``around`` gets the stock function, and what it is to be called with.
    """
    stock = module.__dict__[_RUN]

    @functools.wraps(stock)
    def run(args: Namespace) -> Any:
        return around(stock, args)

    module.__dict__[_RUN] = run
    try:
        yield
    finally:
        module.__dict__[_RUN] = stock
